// figures prints how the code of the repository in the current folder reads, and how large its rooms are.
package main

import (
	"fmt"
	"os"

	"github.com/kubemint/kubemint/test/house"
)

func main() {
	repo, err := house.ReadRepo(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "read repository:", err)
		os.Exit(1)
	}
	fmt.Println(house.FormatFigures(house.Figures(repo)))
	fmt.Print(house.FormatRooms(repo))
	fmt.Println("\nrules of the house, and how many places break them:")
	fmt.Print(house.FormatTotals(house.Check(repo)))
}
