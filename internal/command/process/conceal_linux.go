package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// runtimeVariables are read by Go's runtime before main could give them back. None holds a secret.
var runtimeVariables = []string{
	"GOCOVERDIR", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GORACE", "GOTRACEBACK",
}

// seals make the memory file final, so that nobody changes the environment on its way.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL

// Conceal returns the environment that the program was given. For kubemint exec it does so from a
// process that no longer shows it: the program is restarted (same process id, same arguments) with
// next to no environment. The process becomes undumpable too: then a command of the same user, and
// root without CAP_SYS_PTRACE, cannot read its memory or open its files in /proc either.
//
// An error says what could not be concealed. The run can go on, except after [ErrLost]. Call it
// before anything is opened and before a signal is handled: a restart loses both.
func Conceal(start Start) ([]string, error) {
	if !start.runsOthers() {
		return start.Environ, nil
	}
	descriptor, restarted := lookupVariable(start.Environ, marker)
	if !restarted {
		err := restartConcealed(start)
		return start.Environ, errors.Join(
			fmt.Errorf("restart without the environment: %w", err), forbidDumps(),
		)
	}
	environ, err := receiveEnvironment(descriptor)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLost, err)
	}
	start.Clearenv()
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		_ = start.Setenv(name, value) // refuses only what no program could look up, such as an empty name
	}
	return environ, forbidDumps()
}

func forbidDumps() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("make the process undumpable: %w", err)
	}
	return nil
}

func lookupVariable(environ []string, name string) (value string, found bool) {
	for _, entry := range environ {
		if value, found = strings.CutPrefix(entry, name+"="); found {
			return value, true
		}
	}
	return "", false
}

// restartConcealed returns only if it fails.
func restartConcealed(start Start) error {
	file, err := memoryFile()
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it has no disk to be written to
	if _, err := file.WriteString(strings.Join(start.Environ, "\x00")); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal the memory file: %w", err)
	}
	program, err := findProgram()
	if err != nil {
		return err
	}
	environ := []string{marker + "=" + strconv.Itoa(int(file.Fd()))}
	for _, name := range runtimeVariables {
		if value, found := lookupVariable(start.Environ, name); found {
			environ = append(environ, name+"="+value)
		}
	}
	return syscall.Exec(program, start.Args, environ) //nolint:gosec // this program itself
}

// memoryFile is inherited by the restarted process, which closes it.
func memoryFile() (*os.File, error) {
	// A kernel may insist on NOEXEC_SEAL (vm.memfd_noexec=2), and one before 6.3 does not know it.
	fd, err := unix.MemfdCreate("kubemint", unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("kubemint", unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("make a memory file: %w", err)
	}
	return os.NewFile(uintptr(fd), "memory"), nil
}

// findProgram is this program's file. Its own path is better than /proc/self/exe, which ps and
// pkill would show as "exe"; but another file may lie there by now.
func findProgram() (string, error) {
	const link = "/proc/self/exe"
	running, err := os.Stat(link)
	if err != nil {
		return "", err
	}
	path, err := os.Executable()
	if info, statErr := os.Stat(path); err == nil && statErr == nil && os.SameFile(info, running) {
		return path, nil
	}
	return link, nil
}

// receiveEnvironment reads the environment from the memory file, and closes it. Anything but a
// sealed memory file is refused: then it was not [restartConcealed] that set the marker.
func receiveEnvironment(descriptor string) ([]string, error) {
	fd, err := strconv.ParseUint(descriptor, 10, 31)
	if err != nil {
		return nil, errors.New("its descriptor is not a number")
	}
	have, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || have&seals != seals {
		return nil, fmt.Errorf("descriptor %d is not the sealed memory file", fd)
	}
	file := os.NewFile(uintptr(fd), "memory")
	defer file.Close() //nolint:errcheck // opened for reading
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	content := make([]byte, info.Size())
	if _, err := io.ReadFull(io.NewSectionReader(file, 0, info.Size()), content); err != nil {
		return nil, err
	}
	// Joined, an empty environment and a single empty entry look the same; no program can use the
	// latter.
	environ := strings.Split(string(content), "\x00")
	return slices.DeleteFunc(environ, func(entry string) bool { return entry == "" }), nil
}
