package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/ping"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/statefile"
	"polisen-events-collector/pkg/text"
)

// lastPing is the time that the last ping leaves for the end of the process.
const lastPing = 100 * time.Millisecond

// monitor shows a run of collect to the systems that watch it: with pings, and with a
// file of metrics. Until [monitor.start] it does nothing.
type monitor struct {
	general     config.General
	log         *slog.Logger
	pinger      *ping.Pinger // nil without --ping-url
	metricsFile string       // empty without --metrics-file
	report      report.Report
	callsLeft   *report.CallsLeft // nil if they are unknown
}

type monitorKey struct{}

// monitorOf returns the monitor in ctx, or one that does nothing.
func monitorOf(ctx context.Context) *monitor {
	if m, ok := ctx.Value(monitorKey{}).(*monitor); ok {
		return m
	}
	return new(monitor)
}

// start begins to monitor a run with these settings. Some may be invalid. A dry
// run and a run with a saved response say nothing about the API and the archive, so they
// are not monitored.
func (m *monitor) start(ctx context.Context, p Process, s config.Settings, dryRun bool, log *slog.Logger) {
	m.general, m.log = s.General, log
	set := s.Monitoring
	if dryRun || s.API.URL.Path != "" {
		if !set.PingURL.IsZero() || set.MetricsFile != "" {
			m.warn(p, slog.LevelInfo, "--ping-url and --metrics-file have no effect with --dry-run or a saved response")
		}
		return
	}
	m.metricsFile = set.MetricsFile
	if !set.PingURL.IsZero() {
		m.pinger = ping.New(set.PingURL, product())
		m.pinger.Start(ctx)
	}
}

// setReport sets the report of the run, which came from this source.
func (m *monitor) setReport(r report.Report, source pipeline.Source) {
	m.report = r
	if client, ok := source.(*polisen.Client); ok && m.metricsFile != "" {
		if hour, day, ok := client.CallsLeft(); ok {
			m.callsLeft = &report.CallsLeft{Hour: hour, Day: day}
		}
	}
}

// finish pings that the run has ended, and updates the metrics. Meanwhile it calls
// print, which prints the error of the run. Problems become warnings: they do not change
// the exit code.
func (m *monitor) finish(ctx context.Context, p Process, c code, err error, print func()) {
	pinged := make(chan error, 1)
	go func() { pinged <- m.ping(ctx, c, err) }()
	print()
	if m.metricsFile != "" {
		if err := m.updateMetrics(ctx, p, c); err != nil {
			m.warn(p, slog.LevelWarn, "the metrics file was not updated: %v", err)
		}
	}
	if err := <-pinged; err != nil {
		m.warn(p, slog.LevelWarn, "the end of the run was not reported to the ping service: %v", err)
	}
}

// ping sends the last ping. After a signal or the time limit it has the time that the
// watchdog leaves.
func (m *monitor) ping(ctx context.Context, c code, err error) error {
	if m.pinger == nil {
		return nil
	}
	if _, ok := caught(ctx); ok {
		ctx = context.WithoutCancel(ctx)
	}
	if end := watchdogOf(ctx).end(); !end.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, end.Add(-lastPing), errors.New("the process had no more time"))
		defer cancel()
	}
	return m.pinger.Finish(ctx, int(c), m.message(err))
}

// message returns the text of the last ping: the error of the run, and its summary if it
// succeeded.
func (m *monitor) message(err error) string {
	switch {
	case err == nil:
		return m.report.Summary()
	case m.report.Succeeded():
		return text.OneLine(err.Error()) + "\n" + m.report.Summary()
	}
	return text.OneLine(err.Error())
}

// updateMetrics replaces the metrics file.
func (m *monitor) updateMetrics(ctx context.Context, p Process, c code) error {
	defer blocking.Call(ctx, "update "+m.metricsFile)()
	var before report.Metrics
	old, err := statefile.ReadFile(m.metricsFile)
	switch {
	case err == nil:
		if before, err = report.ParseMetrics(old); err != nil {
			m.warn(p, slog.LevelWarn, "the counters in %s begin again: the file is damaged, or another program wrote it: %v", m.metricsFile, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	r := m.report
	r.OK, r.ExitCode, r.Program = c == exitOK, int(c), readBuild().Version
	if r.Finished.IsZero() { // the run ended before it had a report
		r.Finished = time.Now()
	}
	body, err := before.Add(r, m.callsLeft).Text()
	if err != nil {
		return err
	}
	return statefile.WritePublic(m.metricsFile, body)
}

// warn prints a warning.
func (m *monitor) warn(p Process, level slog.Level, format string, args ...any) {
	p.printWarnings([]report.Warning{{Level: level, Text: fmt.Sprintf(format, args...)}}, m.general, m.log)
}
