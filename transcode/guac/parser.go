package guac

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Instruction is one protocol instruction. Its bytes are valid until the
// parser's next call.
type Instruction struct {
	Opcode []byte
	Args   [][]byte
}

// SyntaxError tells where the input stops being a sequence of instructions.
type SyntaxError struct {
	Offset int64  // byte of the uncompressed dump
	What   string // what is wrong there
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not a Guacamole instruction at byte %d: %s", e.Offset, e.What)
}

const (
	// maxInstruction bounds one instruction in bytes. guacd sends at most a
	// few kilobytes at a time; inline images of old servers are larger.
	maxInstruction = 32 << 20
	maxArgs        = 1024
)

// Parser reads instructions: LEN.VALUE elements divided by commas, ended by a
// semicolon, LEN counting Unicode code points.
type Parser struct {
	r          io.Reader
	buf        []byte
	start, end int   // the unread part of buf
	offset     int64 // of buf[start] in the input
	err        error // of r, after what is in buf
	in         Instruction
}

// NewParser reads from r.
func NewParser(r io.Reader) *Parser { return &Parser{r: r, buf: make([]byte, 128<<10)} }

// Offset is how many bytes have been consumed.
func (p *Parser) Offset() int64 { return p.offset }

// errShort says that the buffer ends inside the instruction.
var errShort = errors.New("short")

// Next returns the next instruction. At the end of the input it returns
// io.EOF, or io.ErrUnexpectedEOF when the input ends inside an instruction.
// Other errors are *SyntaxError or the reader's own.
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
			if errors.Is(p.err, io.EOF) && p.start < p.end && len(bytes.TrimSpace(p.buf[p.start:p.end])) > 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, p.err
		}
		if err := p.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more, making room first.
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

// scan reads one instruction from the beginning of b into p.in and returns
// its length.
func (p *Parser) scan(b []byte) (int, error) {
	p.in.Opcode, p.in.Args = nil, p.in.Args[:0]
	i := 0
	for i < len(b) && (b[i] == '\n' || b[i] == '\r') { // some tools end lines
		i++
	}
	for {
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
			return 0, p.syntax(i, fmt.Sprintf("a length and a dot expected, found %q", b[i]))
		}
		i++
		n := prefix(b[i:], length)
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
			return 0, p.syntax(i, fmt.Sprintf("a comma or semicolon expected, found %q", b[i]))
		}
	}
}

func (p *Parser) syntax(i int, what string) error { return &SyntaxError{p.offset + int64(i), what} }

// prefix is the number of bytes that n code points take at the beginning of
// b, or -1 when b ends before.
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
