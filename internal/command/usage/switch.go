package usage

import (
	"errors"
	"strconv"
)

// setSwitch records a switch, which may be turned off again: --wait --wait=false.
func setSwitch(values map[string][]string, name, value string) error {
	on, err := strconv.ParseBool(value)
	if err != nil {
		return errors.New("write true or false")
	}
	delete(values, name)
	if on {
		values[name] = []string{"true"}
	}
	return nil
}
