package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processes returns the target's process and its children, nginx's workers for
// example.
func (t *running) processes() ([]int, error) {
	if t.command == nil {
		return nil, nil
	}
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
	pids, err := t.processes()
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, pid := range pids {
		const schedClock = 2 // the exact one, see clock_getcpuclockid(3)
		var used unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|schedClock), &used); err != nil { //nolint:gosec // G115: the kernel numbers processes up to 2^22
			return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
		}
		total += time.Duration(used.Nano())
	}
	return total, nil
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
