package guac

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Instruction is one protocol instruction. Its bytes are valid until the
// parser's next call.
type Instruction struct {
	Opcode []byte
	Args   [][]byte
}

// SyntaxError says where the input is no longer a sequence of instructions.
type SyntaxError struct {
	Offset int64  // offset in the uncompressed dump, in bytes
	What   string // what is wrong there
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not a Guacamole instruction at byte %d: %s", e.Offset, e.What)
}

const (
	// maxInstruction limits one instruction, in bytes. guacd sends at most a few
	// kilobytes at a time; inline images of old servers are larger.
	maxInstruction = 32 << 20
	maxArgs        = 1024
)

// Parser reads instructions: LEN.VALUE elements separated by commas, ended by a
// semicolon. LEN counts Unicode code points. In dumps of programs that count as
// guacamole-common-js did before 1.5.2, it counts UTF-16 code units. The first
// element that is valid in only one of the units decides for all that follow.
// Blanks, line ends and byte order marks before a LEN are ignored, as in that
// player.
type Parser struct {
	r          io.Reader
	buf        []byte
	start, end int   // the unread part of buf
	offset     int64 // of buf[start] in the input
	err        error // of r, after the content of buf
	units      units
	in         Instruction
}

// units is the unit of lengths.
type units uint8

const (
	unitsUndecided units = iota // there was no character beyond U+FFFF yet
	unitsCodePoints
	unitsUTF16
)

// NewParser returns a parser of r.
func NewParser(r io.Reader) *Parser { return &Parser{r: r, buf: make([]byte, 128<<10)} }

// Offset returns how many bytes have been consumed.
func (p *Parser) Offset() int64 { return p.offset }

// errShort means that the buffer ends inside the instruction.
var errShort = errors.New("short")

// Next returns the next instruction. At the end of the input it returns io.EOF, or
// io.ErrUnexpectedEOF if the input ends inside an instruction. Other errors are
// *SyntaxError or the reader's own.
func (p *Parser) Next() (*Instruction, error) {
	for {
		n, err := p.scan(p.buf[p.start:p.end])
		if err == nil {
			p.start += n
			p.offset += int64(n)
			return &p.in, nil
		}
		if !errors.Is(err, errShort) {
			return nil, err
		}
		if p.err != nil {
			rest := p.buf[p.start:p.end]
			if !errors.Is(p.err, io.EOF) || len(rest) == blanks(rest) {
				return nil, p.err
			}
			if p.units == unitsUndecided { // in the other unit, the last instruction may be complete
				p.units = unitsUTF16
				if _, err := p.scan(rest); err == nil {
					continue
				}
				p.units = unitsUndecided
			}
			return nil, io.ErrUnexpectedEOF
		}
		if err := p.fill(); err != nil {
			return nil, err
		}
	}
}

// fill makes room in the buffer and reads more.
func (p *Parser) fill() error {
	if p.start > 0 {
		copy(p.buf, p.buf[p.start:p.end])
		p.start, p.end = 0, p.end-p.start
	}
	if p.end == len(p.buf) {
		if len(p.buf) >= maxInstruction {
			return &SyntaxError{p.offset, "an instruction of more than 32 MiB"}
		}
		p.buf = append(p.buf, make([]byte, len(p.buf))...)
	}
	n, err := p.r.Read(p.buf[p.end:])
	p.end += n
	p.err = err
	return nil
}

// scan parses one instruction at the beginning of b into p.in and returns its
// length.
func (p *Parser) scan(b []byte) (int, error) {
	p.in.Opcode, p.in.Args = nil, p.in.Args[:0]
	i := 0
	for {
		if i < len(b) && (b[i] < '0' || b[i] > '9') {
			i += blanks(b[i:])
		}
		length, digits := 0, 0
		for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			if length = length*10 + int(b[i]-'0'); length > maxInstruction {
				return 0, p.syntax(i, "an element of more than 32 MiB")
			}
			digits++
		}
		if i == len(b) {
			return 0, errShort
		}
		if digits == 0 || b[i] != '.' {
			if digits == 0 && strings.HasPrefix(byteOrderMark, string(b[i:])) {
				return 0, errShort
			}
			return 0, p.syntax(i, "a length and a dot expected, found "+found(b[i]))
		}
		i++
		n := prefix(b[i:], length)
		if n != length {
			n = p.inUnits(b[i:], n, length)
		}
		if n < 0 || i+n >= len(b) {
			return 0, errShort
		}
		value := b[i : i+n]
		i += n
		if p.in.Opcode == nil {
			p.in.Opcode = value
		} else {
			if len(p.in.Args) == maxArgs {
				return 0, p.syntax(i, "too many arguments")
			}
			p.in.Args = append(p.in.Args, value)
		}
		switch b[i] {
		case ',':
			i++
		case ';':
			return i + 1, nil
		default:
			return 0, p.syntax(i, "a comma or semicolon expected, found "+found(b[i]))
		}
	}
}

func (p *Parser) syntax(i int, what string) error { return &SyntaxError{p.offset + int64(i), what} }

// found describes an unexpected byte.
func found(b byte) string {
	if b == 0 {
		return "zero bytes, as after a power failure"
	}
	return strconv.QuoteRune(rune(b))
}

const byteOrderMark = "\ufeff"

// blanks returns the number of bytes at the beginning of b that are ignored between
// elements.
func blanks(b []byte) int {
	for i := 0; ; {
		switch {
		case i == len(b):
			return i
		case b[i] == ' ' || b[i] >= '\t' && b[i] <= '\r':
			i++
		case bytes.HasPrefix(b[i:], []byte(byteOrderMark)):
			i += len(byteOrderMark)
		default:
			return i
		}
	}
}

// inUnits returns the number of bytes of an element of this length at the beginning
// of b, or -1 if b ends before. n is the number of bytes if lengths count code
// points.
func (p *Parser) inUnits(b []byte, n, length int) int {
	switch {
	case p.units == unitsUTF16:
		return prefixUTF16(b, length)
	case p.units == unitsCodePoints || n < 0 || n == len(b):
		return n
	}
	m := prefixUTF16(b, length)
	ends := func(i int) bool { return b[i] == ',' || b[i] == ';' }
	switch {
	case m == n || ends(m) == ends(n): // without characters beyond U+FFFF, or if both are possible, the unit stays undecided
		return n
	case ends(m):
		p.units = unitsUTF16
		return m
	default:
		p.units = unitsCodePoints
		return n
	}
}

// prefixUTF16 is like [prefix], for UTF-16 code units.
func prefixUTF16(b []byte, n int) int {
	i := 0
	for n > 0 {
		if !utf8.FullRune(b[i:]) { // an empty b is also incomplete
			return -1
		}
		r, size := utf8.DecodeRune(b[i:])
		i += size
		if n--; r > 0xffff {
			n--
		}
	}
	return i
}

// prefix returns the number of bytes of the first n code points of b, or -1 if b
// ends before.
func prefix(b []byte, n int) int {
	if len(b) >= n && ascii(b[:n]) {
		return n
	}
	i := 0
	for ; n > 0; n-- {
		if i >= len(b) {
			return -1
		}
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		if !utf8.FullRune(b[i:]) {
			return -1
		}
		_, size := utf8.DecodeRune(b[i:])
		i += size
	}
	return i
}

func ascii(b []byte) bool {
	for len(b) >= 8 {
		if (b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7])&0x80 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
