package guac

// opcode is a drawing instruction that the display executes.
type opcode uint8

const (
	opNone opcode = iota
	opSize
	opMask    // of an image that begins: mask, layer
	opPicture // an image that has ended: mask, layer, x, y, and 1 if the layer may have another mask by now
	opCopy
	opTransfer
	opRect
	opCFill
	opLFill
	opCStroke
	opLStroke
	opStart
	opLine
	opArc
	opCurve
	opClose
	opClip
	opPush
	opPop
	opReset
	opIdentity
	opTransform
	opMiter
	opDistort
	opMove
	opShade
	opDispose
	opCursor
	opMouse
)

// draws reports whether an instruction may draw pixels.
func (c opcode) draws() bool {
	switch c {
	case opPicture, opCopy, opTransfer, opCFill, opLFill, opCStroke, opLStroke:
		return true
	}
	return false
}

// sets returns the layer whose mask an instruction sets. sets reports whether it
// sets one, other whether the mask may differ from the usual one; restoring an
// earlier state counts as both.
func (o *op) sets() (layer int, sets, other bool) {
	switch o.code {
	case opMask, opCFill, opLFill, opCStroke, opLStroke:
		return o.i[1], true, Mask(o.i[0]) != MaskOver
	case opCopy:
		return o.i[6], true, Mask(o.i[5]) != MaskOver
	case opPop, opReset, opSize, opDispose:
		return o.i[0], true, true
	}
	return 0, false, false
}

// op is an instruction with parsed arguments. It no longer needs the parser's
// buffer.
type op struct {
	code opcode
	i    [9]int        // whole-number arguments in the protocol's order
	f    []float64     // fractional arguments
	pic  *pendingImage // of opPicture
}

// shape says how an opcode's arguments are parsed: a number of whole numbers, then
// a number of fractional ones.
type shape struct {
	code   opcode
	ints   int
	floats int
}

var shapes = map[string]shape{
	"size":      {opSize, 3, 0},
	"copy":      {opCopy, 9, 0},
	"transfer":  {opTransfer, 9, 0},
	"rect":      {opRect, 5, 0},
	"cfill":     {opCFill, 6, 0},
	"lfill":     {opLFill, 3, 0},
	"start":     {opStart, 3, 0},
	"line":      {opLine, 3, 0},
	"curve":     {opCurve, 7, 0},
	"close":     {opClose, 1, 0},
	"clip":      {opClip, 1, 0},
	"push":      {opPush, 1, 0},
	"pop":       {opPop, 1, 0},
	"reset":     {opReset, 1, 0},
	"identity":  {opIdentity, 1, 0},
	"transform": {opTransform, 1, 6},
	"distort":   {opDistort, 1, 6},
	"move":      {opMove, 5, 0},
	"shade":     {opShade, 2, 0},
	"dispose":   {opDispose, 1, 0},
	"cursor":    {opCursor, 7, 0},
	"mouse":     {opMouse, 2, 0},
}

// silent lists the opcodes that draw nothing and can be ignored without a warning.
var silent = map[string]bool{
	"nop": true, "sync": true, "disconnect": true, "args": true, "ready": true, "log": true, "select": true, "connect": true,
	"usbdata": true, "usbdisconnect": true, "msg": true, "ack": true, "required": true, "error": true, "name": true,
	"key": true, "touch": true, "filesystem": true, "body": true, "undefine": true, "set": true, "get": true, "put": true,
	"clipboard": true, "file": true, "pipe": true, "argv": true, "audio": true, "img": true, "blob": true, "end": true,
	"nest": true, "png": true, "jpeg": true, "video": true, "timezone": true, "image": true,
	"": true, // written by the tunnel
}

// readOp parses the arguments of a drawing instruction that needs no state.
func readOp(in *Instruction) (op, bool) {
	switch string(in.Opcode) { // instructions with mixed arguments
	case "arc":
		o := op{code: opArc, f: in.nums(4, 2)}
		o.i = [9]int{in.int(0), in.int(1), in.int(2), in.int(3), in.int(6)}
		return o, true
	case "set": // layer, property, value
		if in.text(1) == "miter-limit" {
			return op{code: opMiter, i: [9]int{in.int(0)}, f: in.nums(2, 1)}, true
		}
		return op{}, false
	case "cstroke": // mask, layer, cap, join, thickness, r, g, b, a
		o := op{code: opCStroke}
		for k := range 9 {
			o.i[k] = in.int(k)
		}
		return o, true
	case "lstroke": // mask, layer, cap, join, thickness, source
		o := op{code: opLStroke}
		for k := range 6 {
			o.i[k] = in.int(k)
		}
		return o, true
	}
	s, ok := shapes[string(in.Opcode)]
	if !ok {
		return op{}, false
	}
	o := op{code: s.code}
	for k := range s.ints {
		o.i[k] = in.int(k)
	}
	if s.floats > 0 {
		o.f = in.nums(s.ints, s.floats)
	}
	return o, true
}
