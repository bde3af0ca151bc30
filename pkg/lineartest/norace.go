//go:build !race

package lineartest

// raceDetector is true if the race detector is on.
const raceDetector = false
