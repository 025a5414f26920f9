package usage

import (
	"errors"
	"fmt"
	"strconv"
)

// setSwitch records a switch, which may be turned off again: --wait --wait=false.
func setSwitch(values map[string][]string, f Flag, value string) error {
	if f.Word != "" && value == f.Word {
		values[f.Name] = []string{value}
		return nil
	}
	on, err := strconv.ParseBool(value)
	switch {
	case err != nil && f.Word != "":
		return fmt.Errorf("write --%s or --%[1]s=%s", f.Name, f.Word)
	case err != nil:
		return errors.New("write true or false")
	}
	delete(values, f.Name)
	if on {
		values[f.Name] = []string{"true"}
	}
	return nil
}
