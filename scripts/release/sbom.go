package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// bom is a software bill of materials in the JSON form of CycloneDX 1.6
// (https://cyclonedx.org/docs/1.6/json/). It has only the fields that a release uses.
type bom struct {
	Schema      string       `json:"$schema"`
	Format      string       `json:"bomFormat"`
	SpecVersion string       `json:"specVersion"`
	Version     int          `json:"version"`
	Metadata    metadata     `json:"metadata"`
	Components  []component  `json:"components"`
	Depends     []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp  string     `json:"timestamp"` // RFC 3339, the time of the commit
	Component  component  `json:"component"` // the program
	Properties []property `json:"properties"`
}

type component struct {
	Ref      string          `json:"bom-ref"`
	Type     string          `json:"type"`
	Name     string          `json:"name"`
	Version  string          `json:"version"`
	PURL     string          `json:"purl"` // https://github.com/package-url/purl-spec
	Hashes   []hash          `json:"hashes,omitempty"`
	Licenses []licenseChoice `json:"licenses,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"` // hexadecimal
}

type licenseChoice struct {
	License struct {
		ID string `json:"id"` // SPDX identifier
	} `json:"license"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// dependency lists the components that a component depends on directly. The build
// information has no graph, so only the program has a list.
type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// newBOM describes a program by its build information, its content and its parts.
func newBOM(info *debug.BuildInfo, program []byte, parts []part, built time.Time) bom {
	digest := sha256.Sum256(program)
	main := newComponent("application", info.Main.Path, info.Main.Version)
	main.Hashes = []hash{{"SHA-256", hex.EncodeToString(digest[:])}}
	main.Licenses = choices("MIT")
	b := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: metadata{Timestamp: built.Format(time.RFC3339), Component: main},
	}
	for _, s := range info.Settings {
		b.Metadata.Properties = append(b.Metadata.Properties, property{"go:build:" + s.Key, s.Value})
	}
	all := dependency{Ref: main.Ref}
	for _, p := range parts {
		c := newComponent("library", p.path, p.version)
		c.Licenses = choices(p.licenses()...)
		if sum, ok := strings.CutPrefix(p.sum, "h1:"); ok {
			if raw, err := base64.StdEncoding.DecodeString(sum); err == nil {
				c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
			}
		}
		b.Components = append(b.Components, c)
		all.DependsOn = append(all.DependsOn, c.Ref)
		b.Depends = append(b.Depends, dependency{Ref: c.Ref})
	}
	b.Depends = append([]dependency{all}, b.Depends...)
	return b
}

// newComponent returns a component whose package URL is also its reference.
func newComponent(kind, path, version string) component {
	purl := fmt.Sprintf("pkg:golang/%s@%s", path, version)
	return component{Ref: purl, Type: kind, Name: path, Version: version, PURL: purl}
}

// choices returns a list of licences by their SPDX identifiers.
func choices(ids ...string) []licenseChoice {
	all := make([]licenseChoice, len(ids))
	for i, id := range ids {
		all[i].License.ID = id
	}
	return all
}

// encode returns the JSON text, indented for people.
func (b bom) encode() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(b); err != nil {
		return nil, fmt.Errorf("write the SBOM: %w", err)
	}
	return out.Bytes(), nil
}
