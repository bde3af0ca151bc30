package report

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// The names of the metrics.
const (
	metricLastRun      = "polisen_last_run_timestamp_seconds"
	metricLastSuccess  = "polisen_last_success_timestamp_seconds"
	metricDuration     = "polisen_last_run_duration_seconds"
	metricStages       = "polisen_last_run_stage_seconds"
	metricExitCode     = "polisen_last_run_exit_code"
	metricEvents       = "polisen_last_run_events"
	metricLag          = "polisen_source_lag_seconds"
	metricWindow       = "polisen_window_seconds"
	metricHeadroom     = "polisen_headroom_seconds"
	metricOpenGaps     = "polisen_open_gaps"
	metricCallsLeft    = "polisen_api_calls_left"
	metricStoreRetries = "polisen_store_retries"
	metricRuns         = "polisen_runs_total"
	metricStored       = "polisen_stored_total"
	metricBuild        = "polisen_build_info"
)

// metric describes a metric.
type metric struct {
	name    string
	label   string // empty if the metric has one value only
	counter bool   // otherwise a gauge
	help    string
}

// metrics lists the metrics in the order of their text form.
func metrics() []metric {
	return []metric{
		{metricLastRun, "", false, "Time at which the last run of collect ended."},
		{metricLastSuccess, "", false, "Time at which the last successful run of collect ended (exit code 0 or 3); 0 if none has."},
		{metricDuration, "", false, "Duration of the last run."},
		{metricStages, "stage", false, "Time that the last run spent in each stage; stages may overlap."},
		{metricExitCode, "", false, "Exit code of the last run; \"help exit-codes\" explains it."},
		{metricEvents, "result", false, "Items that the last run fetched: new, revised, rejected (stored before or not) and seen."},
		{metricLag, "", false, "Age of the newest event of the API at the end of the last run."},
		{metricWindow, "", false, "Time from the oldest to the newest event of the last full response, without the oldest 5 %."},
		{metricHeadroom, "", false, "Time from the end of the last run until events will be missed if no run succeeds."},
		{metricOpenGaps, "", false, "Days whose events may be missing, and which runs still ask the API for."},
		{metricCallsLeft, "span", false, "Calls that the limits of the API still allowed at the end of the last run."},
		{metricStoreRetries, "", false, "Requests to the store that the last run repeated."},
		{metricRuns, "outcome", true, "Runs of collect on this host: success (exit code 0 or 3) or failure."},
		{metricStored, "kind", true, "Lines that collect on this host has stored."},
		{metricBuild, "version", false, "1, with the version of the program."},
	}
}

// sample names a value: a metric, and the value of its label.
type sample struct{ metric, label string }

// Metrics are the metrics of the runs of collect on one host, for Prometheus.
//
// Counters count the runs since the file of metrics was created. Gauges describe the
// last run. If it could not measure the lag, the window, the headroom or the gaps, the
// values of an earlier run continue: the lag grows and the headroom shrinks by the time
// since then.
type Metrics struct{ values map[sample]float64 }

// ParseMetrics parses metrics in the form that [Metrics.Text] returns. The error means
// that the text is damaged, or that another program wrote it.
func ParseMetrics(text []byte) (Metrics, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return Metrics{}, fmt.Errorf("parse metrics: %w", err)
	}
	m := Metrics{values: map[sample]float64{}}
	for _, known := range metrics() {
		for _, row := range families[known.name].GetMetric() {
			s := sample{metric: known.name}
			var names []string
			for _, label := range row.GetLabel() {
				names, s.label = append(names, label.GetName()), label.GetValue()
			}
			if strings.Join(names, ",") != known.label {
				return Metrics{}, fmt.Errorf("parse metrics: %s has the labels %q, want %q", known.name, names, known.label)
			}
			value := row.GetGauge().GetValue() + row.GetCounter().GetValue() + row.GetUntyped().GetValue()
			if math.IsNaN(value) || math.IsInf(value, 0) || known.counter && value < 0 {
				return Metrics{}, fmt.Errorf("parse metrics: %s cannot be %v", known.name, value)
			}
			m.values[s] = value
		}
	}
	for _, name := range []string{metricLastRun, metricLastSuccess} {
		if _, ok := m.values[sample{metric: name}]; !ok {
			return Metrics{}, fmt.Errorf("parse metrics: %s is missing", name)
		}
	}
	return m, nil
}

// CallsLeft are the numbers of calls that the limits of the API still allow within an
// hour and within a day.
type CallsLeft struct{ Hour, Day int }

// Add returns the metrics after another run. left is nil if the numbers are unknown. Add
// does not change m, which is zero before the first run.
func (m Metrics) Add(r Report, left *CallsLeft) Metrics {
	next := Metrics{values: map[sample]float64{}}
	set := func(name, label string, value float64) { next.values[sample{name, label}] = value }
	end := seconds(r.Finished)
	set(metricLastRun, "", end)
	set(metricLastSuccess, "", m.value(metricLastSuccess, ""))
	outcome := "failure"
	if r.Succeeded() {
		outcome = "success"
		set(metricLastSuccess, "", end)
	}
	set(metricDuration, "", time.Duration(r.Duration).Seconds())
	for _, s := range r.Stages {
		set(metricStages, s.Name, next.value(metricStages, s.Name)+time.Duration(s.Duration).Seconds())
	}
	set(metricExitCode, "", float64(r.ExitCode))
	n := r.Counts
	rejectedBefore := max(n.Invalid-n.Rejected, 0)
	set(metricEvents, "new", float64(n.New))
	set(metricEvents, "revised", float64(n.Revised))
	set(metricEvents, "rejected", float64(n.Invalid))
	set(metricEvents, "seen", float64(max(n.AlreadySeen-rejectedBefore, 0)))
	m.measure(r, set)
	if left != nil {
		set(metricCallsLeft, "hour", float64(left.Hour))
		set(metricCallsLeft, "day", float64(left.Day))
	}
	set(metricStoreRetries, "", float64(r.StoreRetries))
	for _, o := range []string{"success", "failure"} {
		set(metricRuns, o, m.value(metricRuns, o))
	}
	set(metricRuns, outcome, m.value(metricRuns, outcome)+1)
	set(metricStored, "events", m.value(metricStored, "events")+float64(n.New))
	set(metricStored, "revisions", m.value(metricStored, "revisions")+float64(n.Revised))
	set(metricStored, "rejected", m.value(metricStored, "rejected")+float64(n.Rejected))
	set(metricBuild, r.Program, 1)
	return next
}

// measure sets the lag, the window, the headroom and the gaps: those of the run, or
// those of m if the run has none.
func (m Metrics) measure(r Report, set func(name, label string, value float64)) {
	passed := max(seconds(r.Finished)-m.value(metricLastRun, ""), 0)
	for name, change := range map[string]float64{metricLag: passed, metricWindow: 0, metricHeadroom: -passed, metricOpenGaps: 0} {
		if value, ok := m.values[sample{metric: name}]; ok {
			set(name, "", value+change)
		}
	}
	if r.Window != nil && r.Lag != nil {
		window, sinceNewest := r.Window.To.Sub(r.Window.From), max(r.Finished.Sub(r.Window.To), 0) // an event may have a time in the future
		set(metricLag, "", time.Duration(*r.Lag).Seconds())
		set(metricWindow, "", window.Seconds())
		if r.Succeeded() { // otherwise the archive may lack the events of the response
			set(metricHeadroom, "", (window - sinceNewest).Seconds())
		}
	}
	if r.Gaps != nil {
		set(metricOpenGaps, "", float64(r.Gaps.Open))
	}
}

// value returns a value; zero if there is none.
func (m Metrics) value(name, label string) float64 { return m.values[sample{name, label}] }

// seconds returns a time in Unix seconds, to a millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// Text returns the metrics in the text format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
func (m Metrics) Text() ([]byte, error) {
	var b bytes.Buffer
	for _, described := range metrics() {
		family := m.family(described)
		if len(family.Metric) == 0 { // its value is unknown
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			return nil, fmt.Errorf("encode metrics: %w", err)
		}
	}
	return b.Bytes(), nil
}

// family returns a metric with all its values in the form of the library.
func (m Metrics) family(d metric) *dto.MetricFamily {
	kind := dto.MetricType_GAUGE
	if d.counter {
		kind = dto.MetricType_COUNTER
	}
	f := &dto.MetricFamily{Name: &d.name, Help: &d.help, Type: &kind}
	for _, s := range slices.SortedFunc(maps.Keys(m.values), func(a, b sample) int { return cmp.Compare(a.label, b.label) }) {
		if s.metric != d.name {
			continue
		}
		value, row := m.values[s], new(dto.Metric)
		if d.counter {
			row.Counter = &dto.Counter{Value: &value}
		} else {
			row.Gauge = &dto.Gauge{Value: &value}
		}
		if d.label != "" {
			row.Label = []*dto.LabelPair{{Name: &d.label, Value: &s.label}}
		}
		f.Metric = append(f.Metric, row)
	}
	return f
}
