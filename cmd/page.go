package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/statefile"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/verify"
	"polisen-events-collector/pkg/verify/page"
)

// checkPage checks, before a long audit, that the page of verify --report can be written,
// and is not in the folder of the archive.
func checkPage(ctx context.Context, path string, archive config.StoreURL) error {
	defer blocking.Call(ctx, "check "+path)()
	if err := checkOutside("--report", path, archive); err != nil {
		return err
	}
	if err := statefile.CheckPublic(path); err != nil {
		return usagef("--report: %w", err)
	}
	return nil
}

// writePage writes the result of an audit, with the health of the archive and its last
// runs, as an HTML page. If the store fails meanwhile, the page says so.
func writePage(ctx context.Context, st store.Store, s config.Settings, opts verifyOptions, result *verify.Result) error {
	options := healthOptions(s, opts)
	health, err := status.CheckHealth(ctx, st, options)
	if err != nil {
		health = status.UnknownHealth(st.String(), options, err)
	}
	var runs []report.Run
	switch history, err := status.ReadHistory(ctx, st, time.Now()); {
	case err == nil:
		runs = history.Runs
	case !errors.Is(err, status.ErrNotFound) && health.Status != status.HealthUnknown:
		health = status.UnknownHealth(st.String(), options, err)
	}
	body, err := page.Render(page.Content{
		Result: result, Health: health, Runs: runs, Now: time.Now(),
		Program: program + " " + readBuild().Version, Command: suggestedCommand(s)("verify --output json"),
	})
	if err != nil {
		return fmt.Errorf("make the page of --report: %w", err)
	}
	defer blocking.Call(ctx, "write "+opts.report)()
	if err := statefile.WritePublic(opts.report, body); err != nil {
		return fmt.Errorf("write the page of --report: %w", err)
	}
	return nil
}
