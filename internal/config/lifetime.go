package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// The API server's own limits of a token's lifetime; see validation.ValidateTokenRequest in
// k8s.io/kubernetes pkg/apis/authentication/validation.
const (
	shortestLifetime = 10 * time.Minute
	longestLifetime  = (1 << 32) * time.Second
)

// parseLifetime reads 90m, 1h, 30d, 1h30m, whole seconds, or permanent.
func parseLifetime(c *checker, in Input, value string) Lifetime {
	const help = "write for example 90m, 1h, 30d, 3600 (seconds), or permanent"
	value = strings.TrimSpace(value)
	if value == "permanent" {
		return Lifetime{Permanent: true}
	}
	duration, err := parseDuration(value)
	switch {
	case err != nil:
		c.addFault(in.Name, value, "is not a duration", help)
	case duration < shortestLifetime:
		c.addFault(in.Name, value, "is too short",
			"Kubernetes gives no token under 10 minutes: write 10m or more")
	case duration > longestLifetime:
		c.addFault(in.Name, value, "is too long",
			"Kubernetes gives no token over 2^32 seconds, some 136 years")
	case duration%time.Second != 0:
		c.addFault(in.Name, value, "has a fraction of a second", help)
	}
	return Lifetime{Duration: duration}
}

func parseTimeout(c *checker, in Input, value string) time.Duration {
	timeout, err := parseDuration(strings.TrimSpace(value))
	if err != nil || timeout < time.Second {
		c.addFault(in.Name, value, "is not a duration of a second or more",
			"write for example 2m, 90s or 120 (seconds)")
	}
	return timeout
}

// parseDuration is time.ParseDuration plus days, and whole seconds without a unit.
func parseDuration(value string) (time.Duration, error) {
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		// Out of range either way, without overflow.
		seconds = max(-1, min(seconds, int64(longestLifetime/time.Second)+1))
		return time.Duration(seconds) * time.Second, nil
	}
	days, rest, ok := strings.Cut(value, "d")
	if !ok {
		return time.ParseDuration(value)
	}
	count, err := strconv.ParseUint(days, 10, 32)
	if err != nil {
		return 0, errors.New("days are not a whole number")
	}
	const day = 24 * time.Hour
	whole := day * time.Duration(min(count, uint64(longestLifetime/day)+1))
	if rest == "" {
		return whole, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 {
		return 0, errors.New("not a duration")
	}
	return whole + min(more, longestLifetime), nil // out of range either way, without overflow
}
