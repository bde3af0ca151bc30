package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"polisen-events-collector/pkg/ratelimit"
)

func ExampleLimiter() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	const url = "https://polisen.se/api/events"
	limiter := ratelimit.New(ratelimit.Options{Dir: dir, Host: "polisen.se"})

	call, err := limiter.Wait(context.Background(), url, nil)
	if err != nil {
		panic(err)
	}
	// Here the caller sends the request.
	call.Done(ratelimit.Answer{Status: http.StatusOK})

	// No process may call again before ten seconds have passed.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = limiter.Wait(ctx, url, nil)
	exceeded, _ := errors.AsType[*ratelimit.LimitError](err)
	fmt.Println(errors.Is(err, ratelimit.ErrExceeded), exceeded.Rule)
	// Output: true at least 10s between calls
}

func ExampleLimiter_Delay() {
	const unused = "example-folder-that-does-not-exist"
	collect := ratelimit.New(ratelimit.Options{Dir: unused, Host: "polisen.se"})
	backfill := ratelimit.New(ratelimit.Options{Dir: unused, Host: "polisen.se", LeaveRoom: true})
	fmt.Println(collect.Delay(60), backfill.Delay(60))
	// Output: 9m50s 1h1m39s
}
