package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/inspect"
	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/verify"
)

// code is an exit code. Scripts rely on these: a number never changes its
// meaning. 2 is Go's own, of a panic, and so always a bug.
type code int

const (
	exitOK       code = 0   // the work is done; there being nothing new is ok too
	exitFailure  code = 1   // something that no other code stands for
	exitPartial  code = 3   // done, but for something that needs a look
	exitAPI      code = 4   // the API failed
	exitStorage  code = 5   // the store failed
	exitAccess   code = 6   // credentials, permissions, a missing bucket
	exitFindings code = 7   // the check was made, and its answer is no
	exitRefused  code = 8   // the API's rules forbid a call now
	exitUsage    code = 64  // command line or settings, like EX_USAGE of sysexits.h
	exitSIGINT   code = 130 // as shells report it
	exitSIGTERM  code = 143
)

// exitMeanings explains the codes to users, in ascending order.
func exitMeanings() []struct {
	code    code
	meaning string
} {
	return []struct {
		code    code
		meaning string
	}{
		{exitOK, "ok; nothing new to store is ok too"},
		{exitFailure, "unexpected failure"},
		{exitPartial, "partial: the rest was stored, but something was rejected or may have been missed"},
		{exitAPI, "the API failed"},
		{exitStorage, "the store failed"},
		{exitAccess, "no access: credentials, permissions or a missing bucket; trying again will not help"},
		{exitFindings, "checked, and the answer is no: problems found, id not found, or not healthy"},
		{exitRefused, "no call was made, so as to keep the API's rules: its call limits, a pause that it asked for, or a 404 that it once answered"},
		{exitUsage, "wrong command line or settings"},
		{exitSIGINT, "stopped by SIGINT (Ctrl-C)"},
		{exitSIGTERM, "stopped by SIGTERM"},
	}
}

// exitCode is the only place that turns an error into an exit code.
func exitCode(err error) code {
	_, badUsage := errors.AsType[usageError](err)
	_, badSettings := errors.AsType[config.Problems](err)
	_, partial := errors.AsType[*pipeline.PartialError](err)
	switch { // the cause that a person has to remove goes before its effects
	case err == nil:
		return exitOK
	case badUsage, badSettings, errors.Is(err, polisen.ErrSettings):
		return exitUsage
	case errors.Is(err, store.ErrAccess), errors.Is(err, ociauth.ErrCredentials):
		return exitAccess
	case errors.Is(err, pipeline.ErrStore):
		return exitStorage
	case errors.Is(err, polisen.ErrRefused):
		return exitRefused
	case errors.Is(err, pipeline.ErrAPI):
		return exitAPI
	case partial:
		return exitPartial
	case errors.Is(err, verify.ErrFindings), errors.Is(err, inspect.ErrNotFound):
		return exitFindings
	}
	return exitFailure
}

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// unfinishedError is the end of work that another run can go on with, which its
// user is told however it ended.
type unfinishedError struct {
	err  error
	next string
}

func (e *unfinishedError) Error() string { return e.err.Error() + "; " + e.next }
func (e *unfinishedError) Unwrap() error { return e.err }

// exitCodesKey is the annotation that lists a command's exit codes.
const exitCodesKey = "exit-codes"

// endsWith annotates a command with the exit codes that it can end with,
// beside those of every command.
func endsWith(codes ...code) map[string]string {
	codes = append(codes, exitOK, exitFailure, exitUsage, exitSIGINT, exitSIGTERM)
	slices.Sort(codes)
	var text []string
	for _, c := range codes {
		text = append(text, strconv.Itoa(int(c)))
	}
	return map[string]string{exitCodesKey: strings.Join(text, " ")}
}
