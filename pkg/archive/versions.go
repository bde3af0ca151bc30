package archive

import (
	"maps"
	"slices"
)

// shortVersions is the number of versions up to which a search of the list is
// faster than a map. Few events have more than three.
const shortVersions = 8

// versionSet is a set of the versions of one event, in the order in which they were
// added. Its calls take constant time, however many versions there are: a response
// may hold 100,000 of one event.
type versionSet struct {
	list   Versions
	in     map[string]struct{} // the list's elements; nil if the list is short
	shared bool                // another set uses list and in too
}

// newVersionSet returns a set of the versions, which must not change while the set is
// in use.
func newVersionSet(v Versions) *versionSet {
	s := &versionSet{list: v, shared: true}
	if len(v) > shortVersions {
		s.in = make(map[string]struct{}, len(v))
		for _, fingerprint := range v {
			s.in[fingerprint] = struct{}{}
		}
	}
	return s
}

// share returns a set that starts with the versions of s. The first add copies them.
// s must not change before that. It may be nil, which is an empty set.
func (s *versionSet) share() *versionSet {
	if s == nil {
		return &versionSet{}
	}
	return &versionSet{list: s.list, in: s.in, shared: true}
}

// has reports whether the set contains a version. s may be nil.
func (s *versionSet) has(fingerprint string) bool {
	if s == nil {
		return false
	}
	if s.in == nil {
		return slices.Contains(s.list, fingerprint)
	}
	_, ok := s.in[fingerprint]
	return ok
}

// add adds a version, if the set does not contain it.
func (s *versionSet) add(fingerprint string) {
	if s.has(fingerprint) {
		return
	}
	if s.shared {
		s.list, s.in, s.shared = slices.Clone(s.list), maps.Clone(s.in), false
	}
	s.list = append(s.list, fingerprint)
	switch {
	case s.in != nil:
		s.in[fingerprint] = struct{}{}
	case len(s.list) > shortVersions:
		s.in = newVersionSet(s.list).in
	}
}
