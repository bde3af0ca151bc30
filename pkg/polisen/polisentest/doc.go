// Package polisentest is a fake of the events API for tests: synthetic events
// ([Event], [Response], [Body]) and an HTTP server with scripted answers and
// faults ([API]), which reports the calls that break the API's rules.
//
// It knows the API, and nothing about this program or the archive.
package polisentest
