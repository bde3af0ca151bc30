package retry

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var _ BootClock = system{}

// Boot reads CLOCK_BOOTTIME, which counts the time that the machine is suspended
// (https://man7.org/linux/man-pages/man2/clock_gettime.2.html).
func (system) Boot() (id string, up time.Duration) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", 0
	}
	// A container may have a boot time of its own
	// (https://man7.org/linux/man-pages/man7/time_namespaces.7.html).
	namespace, _ := os.Readlink("/proc/self/ns/time") // old kernels have none
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return "", 0
	}
	return strings.TrimSpace(string(text) + " " + namespace), time.Duration(t.Nano())
}
