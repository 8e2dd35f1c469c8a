// Package guactest makes recordings for tests, including those of an attacker.
package guactest

import (
	"fmt"
	"image/color"
	"strings"
)

// Script writes instructions.
type Script struct{ strings.Builder }

// Screen returns a script that begins with the size of the display.
func Screen(w, h int) *Script { return new(Script).Add("size", 0, w, h) }

// Add writes one instruction.
func (s *Script) Add(opcode string, args ...any) *Script {
	fmt.Fprintf(s, "%d.%s", len(opcode), opcode)
	for _, a := range args {
		text := fmt.Sprint(a)
		fmt.Fprintf(s, ",%d.%s", len([]rune(text)), text)
	}
	s.WriteString(";")
	return s
}

// Box fills a rectangle of a layer with a colour by a channel mask.
func (s *Script) Box(layer, x, y, w, h int, c color.RGBA, mask int) *Script {
	return s.Add("rect", layer, x, y, w, h).Add("cfill", mask, layer, c.R, c.G, c.B, c.A)
}
