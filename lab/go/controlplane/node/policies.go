package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// The table that belongs to this agent alone: `nft list table ip lab_policies` shows its rules and what they counted.
const table = "lab_policies"

// newPolicyCommand is the lab's own agent for NetworkPolicies. CNI's bridge enforces none, and the agents that are well kept
// want what a lab's machine may not have: NFQUEUE in the kernel, eBPF, or a registry for their images.
//
// It knows IPv4, and what the policies of this project say: peers by selector and by block, ports by number and range, and
// ports of a pod's own by name. Not in it: names of ports in egress rules, which differ by destination. What passes whatever
// a policy says: from a node to its own pods, probes above all, as everywhere; and from a pod to the node that it is on.
func newPolicyCommand() *cobra.Command {
	var node, kubeconfig string
	command := &cobra.Command{
		Use:          "network-policy",
		Short:        "Enforces NetworkPolicies on the pods of one node, by nftables",
		SilenceUsage: true,
		RunE:         func(command *cobra.Command, _ []string) error { return enforce(command.Context(), node, kubeconfig) },
	}
	command.Flags().StringVar(&node, "node", "", "name of the node")
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "whose rights to use: it lists pods, namespaces and policies")
	return command
}

func enforce(ctx context.Context, node, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if ctx == nil {
		ctx = context.Background()
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	pods, namespaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	changes := make(chan struct{}, 1)
	note := func() {
		select {
		case changes <- struct{}{}:
		default: // one is waiting that will see this change, too
		}
	}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { note() },
			UpdateFunc: func(any, any) { note() },
			DeleteFunc: func(any) { note() },
		}); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("cannot list %v", kind)
		}
	}
	written := ""
	for {
		seen := view{node: node, labels: map[string]labels.Set{}}
		everyPod, err1 := pods.Lister().List(labels.Everything())
		everyNamespace, err2 := namespaces.Lister().List(labels.Everything())
		everyPolicy, err3 := policies.Lister().List(labels.Everything())
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		seen.policies = everyPolicy
		for _, namespace := range everyNamespace {
			seen.labels[namespace.Name] = namespace.Labels
		}
		for _, pod := range everyPod {
			// One that has ended has given its address back.
			if pod.Status.PodIP != "" && pod.Status.Phase != core.PodSucceeded && pod.Status.Phase != core.PodFailed {
				seen.pods = append(seen.pods, pod)
			}
		}
		slices.SortFunc(seen.pods, func(a, b *core.Pod) int { return strings.Compare(string(a.UID), string(b.UID)) })
		if rules := seen.ruleset(); rules != written {
			nft := exec.CommandContext(ctx, "nft", "-f", "-")
			nft.Stdin = strings.NewReader(rules)
			if out, err := nft.CombinedOutput(); err != nil {
				klog.ErrorS(err, "The rules were refused", "nft", string(out), "rules", rules)
			} else {
				written = rules
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
			// Several changes at a time are usual, and one file for all of them will do.
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// view is what the cluster looks like at one moment.
type view struct {
	node     string
	labels   map[string]labels.Set // of namespaces
	pods     []*core.Pod           // that have an address
	policies []*networking.NetworkPolicy
}

// direction is one half of a policy, seen from the pod that it selects.
type direction struct {
	kind  networking.PolicyType
	pod   string // which address of a packet is the pod's
	rules func(*view, *core.Pod, *networking.NetworkPolicy) []string
}

var directions = []direction{
	{networking.PolicyTypeIngress, "daddr", func(v *view, pod *core.Pod, policy *networking.NetworkPolicy) (rules []string) {
		for _, rule := range policy.Spec.Ingress {
			rules = append(rules, combine(v.peers("saddr", policy.Namespace, rule.From), ports(rule.Ports, pod))...)
		}
		return rules
	}},
	{networking.PolicyTypeEgress, "saddr", func(v *view, _ *core.Pod, policy *networking.NetworkPolicy) (rules []string) {
		for _, rule := range policy.Spec.Egress {
			rules = append(rules, combine(v.peers("daddr", policy.Namespace, rule.To), ports(rule.Ports, nil))...)
		}
		return rules
	}},
}

// ruleset replaces the whole table at once. Each pod that a policy selects has a chain for each direction that is then
// closed; at its end is what nothing allows.
func (v *view) ruleset() string {
	var chains, jumps strings.Builder
	for number, pod := range v.pods {
		if pod.Spec.NodeName != v.node || pod.Spec.HostNetwork {
			continue
		}
		for _, direction := range directions {
			var rules []string
			closed := false
			for _, policy := range v.policies {
				if policy.Namespace == pod.Namespace && slices.Contains(policy.Spec.PolicyTypes, direction.kind) &&
					matches(&policy.Spec.PodSelector, pod.Labels) {
					closed = true
					rules = append(rules, direction.rules(v, pod, policy)...)
				}
			}
			if !closed {
				continue
			}
			chain := fmt.Sprintf("%s_%d", strings.ToLower(string(direction.kind)), number)
			fmt.Fprintf(&chains, "chain %s {\n%s\ncounter drop comment \"%s/%s\"\n}\n", chain, strings.Join(rules, "\n"), pod.Namespace, pod.Name)
			fmt.Fprintf(&jumps, "ip %s %s jump %s\n", direction.pod, pod.Status.PodIP, chain)
		}
	}
	// Made before it is deleted, because only what is there can be deleted.
	return fmt.Sprintf(`table ip %[1]s
delete table ip %[1]s
table ip %[1]s {
%[2]s
chain forward {
type filter hook forward priority filter + 5
ct state established,related accept
%[3]s
}
}
`, table, chains.String(), jumps.String())
}

// peers are the matches for each peer of a rule; without any peer a rule is for all.
func (v *view) peers(side, namespace string, peers []networking.NetworkPolicyPeer) []string {
	if len(peers) == 0 {
		return []string{""}
	}
	var found []string
	for _, peer := range peers {
		if block := peer.IPBlock; block != nil {
			match := fmt.Sprintf("ip %s %s ", side, block.CIDR)
			if len(block.Except) > 0 {
				match += fmt.Sprintf("ip %s != { %s } ", side, strings.Join(block.Except, ", "))
			}
			found = append(found, match)
			continue
		}
		var addresses []string
		for _, pod := range v.pods {
			in := pod.Namespace == namespace
			if peer.NamespaceSelector != nil {
				in = matches(peer.NamespaceSelector, v.labels[pod.Namespace])
			}
			if in && (peer.PodSelector == nil || matches(peer.PodSelector, pod.Labels)) {
				addresses = append(addresses, pod.Status.PodIP)
			}
		}
		slices.Sort(addresses)
		if addresses = slices.Compact(addresses); len(addresses) > 0 {
			found = append(found, fmt.Sprintf("ip %s { %s } ", side, strings.Join(addresses, ", ")))
		}
	}
	return found
}

// ports are the matches for each port of a rule; without any port a rule is for all.
//
// pod is whose ports have names, nil if that may be several.
func ports(ports []networking.NetworkPolicyPort, pod *core.Pod) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var found []string
	for _, port := range ports {
		protocol := "tcp"
		if port.Protocol != nil {
			protocol = strings.ToLower(string(*port.Protocol))
		}
		if port.Port == nil {
			found = append(found, "meta l4proto "+protocol+" ")
			continue
		}
		number := port.Port.IntVal
		if port.Port.Type == intstr.String {
			number = named(port.Port.StrVal, pod)
		}
		switch {
		case number == 0: // nobody's name: it allows nothing
		case port.EndPort != nil:
			found = append(found, fmt.Sprintf("%s dport %d-%d ", protocol, number, *port.EndPort))
		default:
			found = append(found, fmt.Sprintf("%s dport %d ", protocol, number))
		}
	}
	return found
}

func named(name string, pod *core.Pod) int32 {
	if pod != nil {
		for _, container := range pod.Spec.Containers {
			for _, port := range container.Ports {
				if port.Name == name {
					return port.ContainerPort
				}
			}
		}
	}
	return 0
}

func combine(peers, ports []string) (rules []string) {
	for _, peer := range peers {
		for _, port := range ports {
			rules = append(rules, peer+port+"counter accept")
		}
	}
	return rules
}

func matches(selector *meta.LabelSelector, set labels.Set) bool {
	parsed, err := meta.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(set)
}
