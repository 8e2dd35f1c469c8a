package guac

// opcode is a drawing instruction that the display executes.
type opcode uint8

const (
	opNone opcode = iota
	opSize
	opPicture // a finished image stream or inline image
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

// op is an instruction with its arguments read: what remains to be done does
// not need the parser's buffer.
type op struct {
	code opcode
	i    [9]int    // whole-number arguments in the protocol's order
	f    []float64 // fractional ones
	pic  *job      // of opPicture
}

// shape says how an opcode's arguments are read: so many whole numbers, then
// so many fractional ones.
type shape struct {
	code   opcode
	ints   int
	floats int
	draws  bool // it may put pixels somewhere
}

var shapes = map[string]shape{
	"size":      {opSize, 3, 0, false},
	"copy":      {opCopy, 9, 0, true},
	"transfer":  {opTransfer, 9, 0, true},
	"rect":      {opRect, 5, 0, false},
	"cfill":     {opCFill, 6, 0, true},
	"lfill":     {opLFill, 3, 0, true},
	"start":     {opStart, 3, 0, false},
	"line":      {opLine, 3, 0, false},
	"curve":     {opCurve, 7, 0, false},
	"close":     {opClose, 1, 0, false},
	"clip":      {opClip, 1, 0, false},
	"push":      {opPush, 1, 0, false},
	"pop":       {opPop, 1, 0, false},
	"reset":     {opReset, 1, 0, false},
	"identity":  {opIdentity, 1, 0, false},
	"transform": {opTransform, 1, 6, false},
	"distort":   {opDistort, 1, 6, false},
	"move":      {opMove, 5, 0, false},
	"shade":     {opShade, 2, 0, false},
	"dispose":   {opDispose, 1, 0, false},
	"cursor":    {opCursor, 7, 0, false},
	"mouse":     {opMouse, 2, 0, false},
}

// silent lists the opcodes that draw nothing and need no attention.
var silent = map[string]bool{
	"nop": true, "sync": true, "disconnect": true, "args": true, "ready": true, "log": true, "select": true, "connect": true,
	"usbdata": true, "usbdisconnect": true, "msg": true, "ack": true, "required": true, "error": true, "name": true,
	"key": true, "touch": true, "filesystem": true, "body": true, "undefine": true, "set": true, "get": true, "put": true,
	"clipboard": true, "file": true, "pipe": true, "argv": true, "audio": true, "img": true, "blob": true, "end": true,
	"nest": true, "png": true, "jpeg": true, "video": true, "timezone": true, "image": true,
}

// readOp reads the arguments of a drawing instruction that needs no state.
func readOp(in *Instruction) (op, shape, bool) {
	switch string(in.Opcode) { // those whose arguments are mixed
	case "arc":
		o := op{code: opArc, f: in.nums(4, 2)}
		o.i = [9]int{in.int(0), in.int(1), in.int(2), in.int(3), in.int(6)}
		return o, shape{code: opArc}, true
	case "set": // layer, property, value
		if in.text(1) == "miter-limit" {
			return op{code: opMiter, i: [9]int{in.int(0)}, f: in.nums(2, 1)}, shape{code: opMiter}, true
		}
		return op{}, shape{}, false
	case "cstroke": // mask, layer, cap, join, thickness, r, g, b, a
		o := op{code: opCStroke}
		for k := range 9 {
			o.i[k] = in.int(k)
		}
		return o, shape{code: opCStroke, draws: true}, true
	case "lstroke": // mask, layer, cap, join, thickness, source
		o := op{code: opLStroke}
		for k := range 6 {
			o.i[k] = in.int(k)
		}
		return o, shape{code: opLStroke, draws: true}, true
	}
	s, ok := shapes[string(in.Opcode)]
	if !ok {
		return op{}, shape{}, false
	}
	o := op{code: s.code}
	for k := range s.ints {
		o.i[k] = in.int(k)
	}
	if s.floats > 0 {
		o.f = in.nums(s.ints, s.floats)
	}
	return o, s, true
}
