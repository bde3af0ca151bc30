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

// maxPage is the most objects the service lists at once.
const maxPage = 1000

type listing struct {
	Objects       []map[string]any `json:"objects"`
	Prefixes      []string         `json:"prefixes,omitempty"`
	NextStartWith string           `json:"nextStartWith,omitempty"`
}

func (b bucket) list(q url.Values) ociauthtest.Answer {
	limit, fields := maxPage, []string{"name"}
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
			limit, bad = n, err != nil || n < 1 || n > maxPage
		case "fields":
			fields = append(fields, strings.Split(v, ",")...)
		default:
			bad = true
		}
		if bad || len(values) > 1 {
			return ociauthtest.Failure(http.StatusBadRequest, "InvalidParameter", fmt.Sprintf("query parameter %s", key))
		}
	}
	page := listing{Objects: []map[string]any{}}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || name < start || after != "" && name <= after || end != "" && name >= end {
			continue
		}
		if dir, _, deep := strings.Cut(rest, "/"); deep && delimiter != "" {
			if dir = prefix + dir + "/"; !slices.Contains(page.Prefixes, dir) {
				page.Prefixes = append(page.Prefixes, dir)
			}
			continue
		}
		if len(page.Objects) == limit {
			page.NextStartWith = name
			break
		}
		o, err := b[name].summary(name, fields)
		if err != nil {
			return ociauthtest.Failure(http.StatusBadRequest, "InvalidParameter", err.Error())
		}
		page.Objects = append(page.Objects, o)
	}
	return ociauthtest.JSON(http.StatusOK, page)
}

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
	picked := map[string]any{}
	for _, f := range fields {
		v, ok := all[f]
		if !ok {
			return nil, fmt.Errorf("unknown field %q", f)
		}
		picked[f] = v
	}
	return picked, nil
}
