// Command polisen-events-collector collects the Swedish police's public event
// notices into an archive in which each event stands exactly once.
package main

func main() {}
