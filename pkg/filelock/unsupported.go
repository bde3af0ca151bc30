//go:build !linux && !darwin && !freebsd

package filelock

// The build stops here on other systems: nobody has tried the program's locks and its
// atomic replacement of files there.
var _ = this_program_runs_on_Linux_macOS_and_FreeBSD_only
