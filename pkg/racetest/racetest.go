// Package racetest tells tests whether the race detector is on. It makes the program some
// ten times slower, so tests of many cases try fewer of them then. They try all of them
// without it. What a test checks in a case must not depend on it, except for times.
package racetest

// Size returns the size of a test: with, or without if the race detector is off.
func Size(with, without int) int {
	if Enabled {
		return with
	}
	return without
}
