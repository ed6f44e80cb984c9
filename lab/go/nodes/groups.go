package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const root = "/sys/fs/cgroup"

// hierarchies are the mounted roots of control groups: one with version 2, one for each controller with version 1.
func hierarchies() ([]string, error) {
	if unified() {
		return []string{root}, nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, entry := range entries {
		folder := filepath.Join(root, entry.Name())
		if resolved, err := filepath.EvalSymlinks(folder); err != nil || resolved != folder {
			continue // cpu,cpuacct and the like are there under both names
		}
		if _, err := os.Stat(filepath.Join(folder, "cgroup.procs")); err == nil {
			all = append(all, folder)
		}
	}
	return all, nil
}

func unified() bool {
	_, err := os.Stat(filepath.Join(root, "cgroup.controllers"))
	return err == nil
}

// makeGroups makes what the kubelet needs to be there: in its configuration this group is the root of all that it makes.
func makeGroups(group string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range all {
		folder := hierarchy
		for part := range strings.SplitSeq(strings.Trim(group, "/"), "/") {
			parent := folder
			folder = filepath.Join(folder, part)
			if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if err := inherit(parent, folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// inherit gives a new group what it does not have by itself: processors and memory nodes with version 1, controllers
// with version 2.
func inherit(parent, folder string) error {
	if unified() {
		available, err := os.ReadFile(filepath.Join(folder, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for _, controller := range strings.Fields(string(available)) {
			// One that cannot be had is the kubelet's to complain of.
			_ = os.WriteFile(filepath.Join(folder, "cgroup.subtree_control"), []byte("+"+controller), 0)
		}
		return nil
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another controller's hierarchy
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, file), value, 0); err != nil {
			return err
		}
	}
	return nil
}

// removeGroups removes a group with all below it, and the one above it unless another node is in there.
func removeGroups(group string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var failures []error
	for _, hierarchy := range all {
		folder := filepath.Join(hierarchy, group)
		failures = append(failures, again(func() error { return removeTree(folder) }))
		_ = os.Remove(filepath.Dir(folder))
	}
	return errors.Join(failures...)
}

// removeTree removes the folders alone: a group's files cannot be removed, and go with it.
func removeTree(folder string) error {
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var folders []string
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return nil
	})
	slices.Reverse(folders)
	for _, each := range folders {
		if err := os.Remove(each); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
