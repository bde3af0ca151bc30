package ocitest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

// maxListed is the largest number of objects in one response
// (https://docs.oracle.com/en-us/iaas/api/#/en/objectstorage/20160918/Object/ListObjects).
const maxListed = 1000

// listing is the body of a response to ListObjects.
type listing struct {
	Objects       []map[string]any `json:"objects"`
	Prefixes      []string         `json:"prefixes,omitempty"`
	NextStartWith string           `json:"nextStartWith,omitempty"`
}

// list responds to ListObjects with the query q.
func (b bucket) list(q url.Values) ociauthtest.Response {
	limit, fields := maxListed, []string{"name"}
	var prefix, start, after, end, delimiter string
	for key, values := range q {
		v, bad := values[0], false
		switch key {
		case "prefix":
			prefix = v
		case "start":
			start = v
		case "startAfter":
			after = v
		case "end":
			end = v
		case "delimiter":
			delimiter, bad = v, v != "/"
		case "limit":
			n, err := strconv.Atoi(v)
			limit, bad = n, err != nil || n < 1 || n > maxListed
		case "fields":
			fields = append(fields, strings.Split(v, ",")...)
		default:
			bad = true
		}
		if bad || len(values) > 1 {
			return ociauthtest.ErrorResponse(http.StatusBadRequest, "InvalidParameter", fmt.Sprintf("the value of query parameter %s is not valid or the parameter is not emulated", key))
		}
	}
	result := listing{Objects: []map[string]any{}}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || name < start || after != "" && name <= after || end != "" && name >= end {
			continue
		}
		if dir, _, deep := strings.Cut(rest, "/"); deep && delimiter != "" {
			if dir = prefix + dir + "/"; !slices.Contains(result.Prefixes, dir) {
				result.Prefixes = append(result.Prefixes, dir)
			}
			continue
		}
		if len(result.Objects) == limit {
			result.NextStartWith = name
			break
		}
		o, err := b[name].summary(name, fields)
		if err != nil {
			return ociauthtest.ErrorResponse(http.StatusBadRequest, "InvalidParameter", err.Error())
		}
		result.Objects = append(result.Objects, o)
	}
	return ociauthtest.JSON(http.StatusOK, result)
}

// summary returns the requested fields of an object.
func (o object) summary(name string, fields []string) (map[string]any, error) {
	all := map[string]any{
		"name":          name,
		"size":          len(o.body),
		"etag":          o.etag,
		"md5":           o.md5,
		"timeCreated":   o.modified.UTC().Format(time.RFC3339Nano),
		"timeModified":  o.modified.UTC().Format(time.RFC3339Nano),
		"storageTier":   "Standard",
		"archivalState": nil,
	}
	selected := map[string]any{}
	for _, f := range fields {
		v, ok := all[f]
		if !ok {
			return nil, fmt.Errorf("unknown field %q", f)
		}
		selected[f] = v
	}
	return selected, nil
}
