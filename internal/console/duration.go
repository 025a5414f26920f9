package console

import (
	"fmt"
	"time"
)

// FormatDuration is a duration without the units that are zero: 2h, 90m, not 2h0m0s.
func FormatDuration(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
