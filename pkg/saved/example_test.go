package saved_test

import (
	"context"
	"fmt"
	"strings"

	"polisen-events-collector/pkg/saved"
)

func ExampleRead() {
	stdin := strings.NewReader(`[
  {"id": 1},
  {"id": 2, "name": "cut off
]
{"id": 3}
`)
	for item, err := range saved.Read(context.Background(), []string{saved.Stdin}, stdin) {
		switch {
		case err != nil:
			fmt.Println(err)
		case item.Damage != "":
			fmt.Printf("damaged: %q\n", item.Raw)
		default:
			fmt.Printf("item at byte %d: %s\n", item.Offset, item.Raw)
		}
	}
	// Output:
	// item at byte 4: {"id": 1}
	// damaged: "{\"id\": 2, \"name\": \"cut off\n]"
	// item at byte 46: {"id": 3}
}
