// Package polisentest has a fake of the events API for tests: synthetic events
// ([Event], [Response], [Body]), and an HTTP handler with scripted answers and faults
// that reports calls which break the API's rules ([API]).
//
// It knows nothing about this program and its archive.
package polisentest
