package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// runReport is the part of a run's JSON report that the benchmarks read.
type runReport struct {
	Counts struct {
		New int `json:"new"`
	} `json:"counts"`
	Objects []struct {
		Name string `json:"name"`
	} `json:"objects"`
	Stages []struct {
		Name     string  `json:"name"`
		Duration float64 `json:"duration_s"`
	} `json:"stages"`
}

// stage returns the total duration of the stages of this name.
func (r runReport) stage(name string) (d time.Duration) {
	for _, s := range r.Stages {
		if s.Name == name {
			d += time.Duration(s.Duration * float64(time.Second))
		}
	}
	return d
}

// world is a fake of the API with a bucket.
type world struct {
	*bench
	cloud   *cloudtest.Cloud
	envFile string // the settings that use cloud

	start     time.Time // time of the newest event of the API's first response; see newWorld
	published int       // new events of the API since then
	last      runReport // of the last run that stored events
}

// newWorld starts the fakes. Close the cloud at the end. The newest event of the first
// response is 20 hours old, so the API is not stale. The later events are 20 minutes
// apart, so that few of them are in the future: such events change the document of a run
// without new events when their time comes.
func (b *bench) newWorld() (*world, error) {
	dir, err := os.MkdirTemp(b.dir, "cloud")
	if err != nil {
		return nil, err
	}
	w := &world{bench: b, start: time.Now().Add(-20 * time.Hour)}
	if w.cloud, err = cloudtest.Start(dir, "127.0.0.1:0"); err != nil {
		return nil, err
	}
	w.envFile, err = w.cloud.WriteEnvFile()
	return w, err
}

// first runs collect on the first response of the API, with 500 events.
func (w *world) first() error {
	_, _, err := w.answer(cloudtest.ResponseAfter(w.start, 0), polisen.FullResponse)
	return err
}

// collect runs collect on a response with this number of new events, and checks that it
// stores them.
func (w *world) collect(added int) (usage, runReport, error) {
	w.published += added
	return w.answer(cloudtest.ResponseAfter(w.start, w.published), added)
}

// answer runs collect on an answer, and checks the number of new events.
func (w *world) answer(a polisentest.Answer, added int) (u usage, r runReport, err error) {
	w.cloud.API.Script(a)
	u, err = w.run(&r, nil, "collect", "--env-file", w.envFile)
	if err == nil && r.Counts.New != added {
		err = fmt.Errorf("the run stored %d events, want %d", r.Counts.New, added)
	}
	if added > 0 {
		w.last = r
	}
	return u, r, err
}

// send runs the program bare or sdk, which makes the requests of a run that has stored
// one object, the last one.
func (w *world) send(program string) (usage, error) {
	if n := len(w.last.Objects); n != 1 {
		return usage{}, fmt.Errorf("the last run stored %d objects, want 1", n)
	}
	w.cloud.API.Script(cloudtest.ResponseAfter(w.start, w.published))
	object := w.last.Objects[0].Name
	content := filepath.Join(w.dir, "object")
	if err := os.WriteFile(content, w.cloud.Objects.Objects(cloudtest.Bucket)[object], 0o600); err != nil {
		return usage{}, err
	}
	settings := w.cloud.Settings()
	return w.launch(nil, program, settings["POLISEN_API_URL"], settings["OCI_ENDPOINT"]+"/n/"+
		strings.Replace(strings.TrimPrefix(settings["POLISEN_STORE"], "oci://"), "/", "/b/", 1)+"/o/",
		settings["OCI_CONFIG_FILE"], object, content)
}

// upload copies the objects of a folder into the bucket.
func (w *world) upload(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(entry.Name(), "."); {
		case err != nil:
			return err
		case entry.IsDir() && hidden:
			return filepath.SkipDir
		case entry.IsDir() || hidden:
			return nil
		}
		body, err := os.ReadFile(path)
		w.cloud.Objects.Put(cloudtest.Bucket, strings.TrimPrefix(path, folder+"/"), body)
		return err
	})
}
