package retry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"polisen-events-collector/pkg/retry"
)

func ExampleDo() {
	errBusy := errors.New("503 Service Unavailable")
	policy := retry.Policy{Attempts: 4, Base: time.Millisecond}
	temporary := func(err error) bool { return errors.Is(err, errBusy) }

	tries := 0
	answer, err := retry.Do(context.Background(), policy, temporary,
		func(context.Context) (string, error) {
			if tries++; tries < 3 {
				return "", errBusy
			}
			return "200 OK", nil
		},
		func(err error, delay time.Duration) { fmt.Printf("%v; next try in %v\n", err, delay) })
	fmt.Println(answer, err)
	// Output:
	// 503 Service Unavailable; next try in 1ms
	// 503 Service Unavailable; next try in 2ms
	// 200 OK <nil>
}
