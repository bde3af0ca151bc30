package ociauth

import (
	"errors"
	"net/http"

	"polisen-events-collector/pkg/ociclient"
)

// SignatureAdvice returns what to check after a service has answered 401
// (NotAuthenticated) to a request that c signed.
func (c *Credentials) SignatureAdvice() string {
	switch c.kind {
	case SecurityToken:
		return "the session may have ended: " + c.renew
	case InstancePrincipal:
		return "check this machine's clock, and that a dynamic group contains this instance"
	case ResourcePrincipal:
		return "check this machine's clock, and that a dynamic group contains this resource"
	case FromVault:
		return "check this machine's clock, and that the key in the vault is one of the user's API keys"
	}
	return "check this machine's clock, and that the key is one of the user's API keys"
}

// PolicyAdvice returns what to check after a service has refused an action, such as
// "manage the bucket's objects", for lack of permission. The text continues "check".
func (c *Credentials) PolicyAdvice(action string) string {
	switch c.kind {
	case SecurityToken:
		return "that a policy lets the session's user " + action
	case InstancePrincipal:
		return "that a dynamic group contains this instance, and that a policy lets this group " + action
	case ResourcePrincipal:
		return "that a dynamic group contains this resource, and that a policy lets this group " + action
	}
	return "that a policy lets these credentials " + action
}

// adviceFor returns the advice for err, an error for which [isDenied] is true.
func (c *Credentials) adviceFor(err error, action string) string {
	if e, ok := errors.AsType[*ociclient.Error](err); ok && e.Status == http.StatusUnauthorized {
		return c.SignatureAdvice()
	}
	return "check " + c.PolicyAdvice(action)
}
