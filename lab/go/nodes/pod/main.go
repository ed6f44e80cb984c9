// What the pods of a lab run, all of them from one small static program, since no image can be had where there is no
// registry: `pause` waits, `serve` answers on 8080, and `get`, `post` and, three seconds later, `post-later` ask, for
// kubectl exec into an image without a shell.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	arguments := append(os.Args[1:], "")
	switch arguments[0] {
	case "", "pause":
		pause()
	case "serve":
		serve()
	case "get":
		ask(http.MethodGet, arguments[1], nil)
	case "post":
		ask(http.MethodPost, arguments[1], arguments[2:])
	case "post-later":
		fmt.Println("waiting")
		time.Sleep(3 * time.Second)
		ask(http.MethodPost, arguments[1], arguments[2:])
	default:
		fmt.Fprintln(os.Stderr, "usage: pod pause | serve | get URL | post[-later] URL CE-TYPE CE-SOURCE")
		os.Exit(2)
	}
}

// pause waits until it is told to end, and as process 1 of a pod takes in what loses its parent.
func pause() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		for {
			if pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 {
				break
			}
		}
	}
}

// serve says who it is. Told to end, it takes as long as GRACE says, such as 6s, and says when it has.
func serve() {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	go func() {
		answer := func(w http.ResponseWriter, _ *http.Request) {
			name, _ := os.Hostname()
			fmt.Fprintln(w, name)
		}
		fmt.Println(http.ListenAndServe(":8080", http.HandlerFunc(answer)))
		os.Exit(1)
	}()
	<-stop.Done()
	grace, _ := time.ParseDuration(os.Getenv("GRACE"))
	fmt.Println("told to end", time.Now().UTC().Format(time.RFC3339Nano))
	time.Sleep(grace)
	fmt.Println("ended", time.Now().UTC().Format(time.RFC3339Nano))
}

// ask prints the status, the time that it took, when to ask again if that is said, and the answer. Event attributes make
// it a CloudEvent.
func ask(method, url string, event []string) {
	request, err := http.NewRequest(method, url, nil)
	exitOn(err)
	if len(event) > 1 {
		for name, value := range map[string]string{
			"specversion": "1.0", "id": fmt.Sprint(time.Now().UnixNano()), "type": event[0], "source": event[1],
		} {
			request.Header.Set("ce-"+name, value)
		}
	}
	client := &http.Client{Timeout: 60 * time.Second}
	if method == http.MethodGet {
		client.Timeout = 3 * time.Second
	}
	begin := time.Now()
	response, err := client.Do(request)
	exitOn(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	exitOn(err)
	again := ""
	if header := response.Header.Get("Retry-After"); header != "" {
		again = "retry-after=" + header + " "
	}
	fmt.Printf("%d %.3f %s%s\n", response.StatusCode, time.Since(begin).Seconds(), again, body)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
