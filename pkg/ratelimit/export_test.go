package ratelimit

// Die ends the lock of the call's process, as the system does when it dies.
func (c *Call) Die() { c.state.file.Release() }
