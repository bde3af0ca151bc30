package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/statefile"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/verify"
)

// code is an exit code of the program. Never change the meaning of a number, since
// scripts rely on it. 2 is not used, since a Go program that panics exits with it.
type code int

const (
	exitOK          code = 0
	exitFailure     code = 1
	exitPartial     code = report.ExitPartial // 3
	exitAPI         code = 4
	exitStorage     code = 5
	exitAccess      code = 6
	exitFindings    code = 7
	exitRateLimited code = 8
	exitUsage       code = 64  // EX_USAGE of sysexits.h
	exitSIGINT      code = 130 // 128 + signal number, as shells report it
	exitSIGTERM     code = 143
)

// exitMeaning explains an exit code to users.
type exitMeaning struct {
	code    code
	meaning string // "name: explanation"
}

// name returns the short form for lists on one line.
func (m exitMeaning) name() string {
	name, _, _ := strings.Cut(m.meaning, ":")
	return name
}

// exitMeanings lists the exit codes in ascending order.
func exitMeanings() []exitMeaning {
	return []exitMeaning{
		{exitOK, "ok: also when there is nothing new to store"},
		{exitFailure, "failure: an unexpected error"},
		{exitPartial, "partial: items were rejected, events may be missing, or the API is stale or cuts responses"},
		{exitAPI, "API failed: the events API gave no usable response"},
		{exitStorage, "storage failed: an object could not be read or written, or credentials could not be fetched"},
		{exitAccess, "no access: wrong credentials, missing permissions or a missing bucket; a retry does not help"},
		{exitFindings, "check failed: problems found, id not found, or unhealthy"},
		{exitRateLimited, "rate limited: the API's limits, its Retry-After or an earlier 404 forbid a call now"},
		{exitUsage, "usage: the command, a flag or a setting is wrong or missing"},
		{exitSIGINT, "SIGINT: stopped by Ctrl-C"},
		{exitSIGTERM, "SIGTERM: stopped by kill, the service manager or a shutdown"},
	}
}

// exitCode returns the exit code of a run that ended with err. No other place
// turns errors into exit codes.
func exitCode(err error) code {
	_, badUsage := errors.AsType[usageError](err)
	_, badSettings := errors.AsType[config.Problems](err)
	_, partial := errors.AsType[*pipeline.PartialError](err)
	switch { // the order matters: an error may wrap both a cause and its effect; the cause comes first
	case err == nil:
		return exitOK
	case badUsage, badSettings, errors.Is(err, polisen.ErrSettings):
		return exitUsage
	case errors.Is(err, store.ErrAccess), errors.Is(err, ociauth.ErrCredentials) && !mayPass(err):
		return exitAccess
	case errors.Is(err, pipeline.ErrStore), errors.Is(err, ociauth.ErrCredentials):
		return exitStorage
	case errors.Is(err, ratelimit.ErrExceeded):
		return exitRateLimited
	case errors.Is(err, pipeline.ErrAPI):
		return exitAPI
	case partial:
		return exitPartial
	case errors.Is(err, verify.ErrFindings), errors.Is(err, status.ErrNotFound), errors.Is(err, status.ErrUnhealthy):
		return exitFindings
	}
	return exitFailure
}

// mayPass reports whether a run that got no credentials because of err may get them later
// without a change of the settings: a service of OCI failed, the time limit was reached, or
// this machine had no file descriptors left.
func mayPass(err error) bool {
	e, ok := errors.AsType[*ociclient.Error](err)
	return ok && e.Transient() || errors.Is(err, context.DeadlineExceeded) || statefile.IsOutOfDescriptors(err)
}

// usageError is an error about a mistake on the command line.
type usageError struct {
	err     error
	missing bool // the command lacks something that it always needs
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usagef formats a usageError.
func usagef(format string, args ...any) error { return usageError{err: fmt.Errorf(format, args...)} }

// missingf formats a usageError about something that the command always needs.
func missingf(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...), true}
}

// printedError is an error that is part of the result on stdout, so stderr does not
// repeat it.
type printedError struct{ err error }

func (e printedError) Error() string { return e.err.Error() }
func (e printedError) Unwrap() error { return e.err }

// unfinishedError is the error of a run that stopped halfway, whether by itself or
// by a signal. Its text ends with the way to continue.
type unfinishedError struct {
	err  error
	next string // the way to continue, as an instruction
}

func (e *unfinishedError) Error() string { return e.err.Error() + "; " + e.next }
func (e *unfinishedError) Unwrap() error { return e.err }

// exitCodesKey is the key of the annotation that lists a command's exit codes.
const exitCodesKey = "exit-codes"

// endsWith returns the annotation of a command that can end with these exit
// codes. It adds the codes that every command can end with.
func endsWith(codes ...code) map[string]string {
	codes = append(codes, exitOK, exitFailure, exitUsage, exitSIGINT, exitSIGTERM)
	slices.Sort(codes)
	var numbers []string
	for _, c := range codes {
		numbers = append(numbers, strconv.Itoa(int(c)))
	}
	return map[string]string{exitCodesKey: strings.Join(numbers, " ")}
}
