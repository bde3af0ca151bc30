package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// duckdb runs queries with DuckDB, a database that reads JSON. It is the peer for the work
// that reads many events.
type duckdb struct {
	script  string
	missing string // why it cannot run; empty if it can
}

// findDuckDB looks for DuckDB in a folder.
func findDuckDB(folder string) duckdb {
	d := duckdb{script: filepath.Join(folder, "duckdb.mjs")}
	if _, err := exec.LookPath("node"); err != nil {
		d.missing = "Node.js, which runs DuckDB, is not installed"
	} else if _, err := os.Stat(filepath.Join(folder, "node_modules", "@duckdb", "node-api")); err != nil {
		d.missing = "DuckDB (@duckdb/node-api) is not installed"
	}
	return d
}

// query makes a query with one thread of DuckDB, and returns its CPU without that of the
// start of DuckDB.
func (b *bench) query(sql string) (usage, error) {
	u, err := b.launch(nil, "node", b.duckdb.script, sql)
	if err != nil {
		return usage{}, err
	}
	var seconds struct{ CPU float64 }
	if err := json.Unmarshal(u.Output, &seconds); err != nil {
		return usage{}, fmt.Errorf("read the output of DuckDB: %w", err)
	}
	return usage{CPU: time.Duration(seconds.CPU * float64(time.Second))}, nil
}
