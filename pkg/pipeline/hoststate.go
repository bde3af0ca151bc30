package pipeline

// HostState is what this host remembers of its archives between runs: for each
// archive the newest commit that a run has seen, and the alarms that last. It is kept
// in one file for each archive in the state folder.
type HostState struct {
	dir string
}

// NewHostState returns the state in this state folder. It reads and writes nothing
// yet.
func NewHostState(stateDir string) *HostState { return &HostState{dir: stateDir} }
