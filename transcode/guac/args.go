package guac

import (
	"math"
	"strconv"
)

// number parses an argument like JavaScript's parseFloat, for the numbers that
// servers send; for other text it returns 0.
func number(b []byte) float64 {
	if n, ok := integer(b); ok {
		return float64(n)
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// whole parses an argument as an integer, clamped so that sums of a few such
// numbers cannot overflow.
func whole(b []byte) int {
	const limit = 1 << 30
	if n, ok := integer(b); ok {
		return int(max(-limit, min(limit, n)))
	}
	return int(max(-limit, min(limit, number(b))))
}

// integer parses a decimal int64 of up to 18 digits.
func integer(b []byte) (int64, bool) {
	digits := b
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// millis parses a timestamp.
func millis(b []byte) int64 {
	n, _ := integer(b)
	return n
}

func (in *Instruction) arg(i int) []byte {
	if i < len(in.Args) {
		return in.Args[i]
	}
	return nil
}

func (in *Instruction) int(i int) int     { return whole(in.arg(i)) }
func (in *Instruction) num(i int) float64 { return number(in.arg(i)) }
func (in *Instruction) text(i int) string { return string(in.arg(i)) }
func (in *Instruction) nums(i, n int) []float64 {
	f := make([]float64, n)
	for k := range f {
		f[k] = in.num(i + k)
	}
	return f
}
