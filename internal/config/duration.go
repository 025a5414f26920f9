package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// duration reads 90m, 1h, 30d, 1h30m or whole seconds.
func (c *checker) duration(value string) time.Duration {
	value = strings.TrimSpace(value)
	const help = "write for example 90m, 1h, 30d, 3600 (seconds), or permanent"
	if value == "permanent" {
		return Permanent
	}
	d, err := parseDuration(value)
	switch {
	case err != nil:
		c.fault("duration", value, "is not a duration", help)
	case d < MinDuration:
		c.fault("duration", value, "is too short", "Kubernetes gives no token under 10 minutes: write 10m or more")
	case d > MaxDuration:
		c.fault("duration", value, "is too long", "Kubernetes gives no token over 2^32 seconds, some 136 years")
	case d%time.Second != 0:
		c.fault("duration", value, "has a fraction of a second", help)
	}
	return d
}

func (c *checker) timeout(value string) time.Duration {
	d, err := parseDuration(strings.TrimSpace(value))
	if err != nil || d < time.Second {
		c.fault("timeout", value, "is not a duration of a second or more", "write for example 2m, 90s or 120 (seconds)")
	}
	return d
}

// parseDuration is time.ParseDuration plus days, and whole seconds without a unit.
func parseDuration(value string) (time.Duration, error) {
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		seconds = max(-1, min(seconds, int64(MaxDuration/time.Second)+1)) // out of range either way, without overflow
		return time.Duration(seconds) * time.Second, nil
	}
	days, rest, ok := strings.Cut(value, "d")
	if !ok {
		return time.ParseDuration(value)
	}
	n, err := strconv.ParseUint(days, 10, 32)
	if err != nil {
		return 0, errors.New("days are not a whole number")
	}
	const day = 24 * time.Hour
	d := day * time.Duration(min(n, uint64(MaxDuration/day)+1))
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 {
		return 0, errors.New("not a duration")
	}
	return d + min(more, MaxDuration), nil // out of range either way, without overflow
}
