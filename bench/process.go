package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// processes returns the target's process and its children, nginx's workers for
// example.
func (t *running) processes() ([]int, error) {
	all := []int{t.command.Process.Pid}
	for i := 0; i < len(all); i++ {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			for child := range strings.FieldsSeq(string(text)) {
				pid, err := strconv.Atoi(child)
				if err != nil {
					return nil, err
				}
				all = append(all, pid)
			}
		}
	}
	return all, nil
}

// processorTime is what the target has used up so far, user and system.
func (t *running) processorTime() (time.Duration, error) {
	const ticks = 100 // a second: USER_HZ, which is part of Linux's interface
	pids, err := t.processes()
	if err != nil {
		return 0, err
	}
	total := 0
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		// The name, in parentheses, may hold blanks; times are fields 14 and 15.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		for _, field := range fields[11:13] {
			n, err := strconv.Atoi(string(field))
			if err != nil {
				return 0, err
			}
			total += n
		}
	}
	return time.Duration(total) * time.Second / ticks, nil
}

// residentBytes is the memory that the target holds.
func (t *running) residentBytes() (int64, error) {
	pids, err := t.processes()
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return 0, err
		}
		pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
		if err != nil {
			return 0, err
		}
		total += pages * int64(os.Getpagesize())
	}
	return total, nil
}
