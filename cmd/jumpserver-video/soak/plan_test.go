package soak

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
)

// end is the required result of a recording.
type end string

const (
	ends     end = "served as MP4"          // and the original is in the trash, or was an upload
	stays    end = "left as it is"          // unchanged in its place
	uploaded end = "uploaded as it is"      // it cannot be converted
	whole    end = "somewhere, in one form" // core deleted the session meanwhile
)

// item is one recording of the day.
type item struct {
	id, kind string
	want     end
	session  devcore.Session
	files    map[string][]byte // by path in the replay folder or the bucket; uploads as Lion has them
	mark     string            // that the MP4 must have
	after    time.Duration     // time of arrival, from the start
	era      liontest.Era      // of the Lion, for uploads
	bucket   bool
	slow     bool          // written in two halves
	over     time.Duration // when the session ends; 0 = before it arrives
	forget   time.Duration // when core deletes the session; 0 = never
}

func (i *item) day() string      { return i.session.Start.UTC().Format(time.DateOnly) }
func (i *item) video() string    { return path.Join(i.day(), i.id+".replay.mp4") }
func (i *item) isUpload() bool   { return strings.HasPrefix(i.kind, "upload") }
func (i *item) original() string { return path.Join(i.day(), i.id+".replay.gz") }

// menu are the kinds of recordings, in their relative frequency. Nineteen of twenty-four
// become MP4s.
var menu = []string{
	"flat", "parts", "upload", "upload parts", "broken", "flat", "bucket", "running", "upload kept", "parts", "foreign", "flat",
	"slow", "upload parts", "bucket parts", "hollow upload", "upload", "flat", "forgotten", "late end", "bucket", "parts", "upload twice", "flat",
}

// planner plans the recordings of a day.
type planner struct {
	sources []source
	random  *rand.Rand
	now     time.Time
	day     time.Duration // duration of the arrivals
	bucket  bool          // there is a bucket from the middle of the day on
	n       int
}

func (p *planner) plan(count int) (items []*item) {
	for n := range count {
		p.n = n
		i := &item{
			id: fmt.Sprintf("50a40000-%04x-4000-8000-%012x", n>>4, n), kind: menu[n%len(menu)], want: ends,
			after: time.Duration(float64(p.day) * float64(n) / float64(count)),
		}
		i.bucket = strings.HasPrefix(i.kind, "bucket")
		if i.bucket && !p.bucket {
			i.bucket, i.kind = false, strings.Replace(strings.Replace(i.kind, "bucket parts", "parts", 1), "bucket", "flat", 1)
		}
		if i.bucket { // the bucket exists only from the middle of the day on
			i.after = p.day/2 + i.after/2
		}
		start := p.now.Add(-2*time.Hour - time.Duration(n%2)*24*time.Hour).UTC().Truncate(time.Second)
		i.session = devcore.Session{
			ID: i.id, User: "Lee(lee)", Asset: i.kind, Account: "ops(ops)", Protocol: "rdp", TerminalType: "lion",
			Start: start, Finished: true,
		}
		p.fill(i)
		items = append(items, i)
	}
	return items
}

// fill sets an item's files and properties.
func (p *planner) fill(i *item) {
	switch i.kind {
	case "parts", "bucket parts", "upload parts":
		i.era = liontest.Parts
		p.parts(i)
		return
	case "broken":
		p.broken(i)
		return
	case "foreign":
		p.foreign(i)
		return
	}
	dump := p.piece()
	switch i.kind {
	case "upload":
		i.era = []liontest.Era{liontest.Signed, liontest.Raw}[p.random.IntN(2)]
	case "upload kept":
		i.era = []liontest.Era{liontest.Cookie, liontest.Keeps}[p.random.IntN(2)]
	case "upload twice":
		i.era = liontest.Signed
	case "hollow upload": // nothing is drawn
		i.era, i.want = liontest.Signed, uploaded
		dump = fmt.Appendf(nil, "4.size,1.0,4.1024,3.768;%s4.sync,4.1000;4.sync,4.9000;", p.nops())
	case "slow":
		i.slow = true
	case "forgotten":
		i.want, i.forget = whole, i.after+time.Duration(p.random.Int64N(int64(p.day/8)))
	case "running", "late end":
		i.session.End, i.session.Finished, i.want = time.Time{}, false, stays
		if i.kind == "late end" {
			i.over, i.want = i.after+p.day/8, ends
		}
	}
	i.mark, i.files = mark(dump), map[string][]byte{i.original(): gz(dump)}
}

// piece returns a piece that no other item has.
func (p *planner) piece() []byte {
	return p.sources[p.n%len(p.sources)].piece(7+p.random.IntN(20), 200+int64(p.n))
}

func (p *planner) parts(i *item) {
	s := p.sources[p.n%len(p.sources)]
	n := 7 + p.random.IntN(12)
	one, two := s.piece(n, 100+int64(p.n)), shift(s.piece(n+2, 200), s.length(n)+500+int64(p.n))
	i.mark, i.files = mark(one, two), map[string][]byte{}
	type file struct {
		Name string `json:"name"`
		Size int    `json:"size"`
	}
	var files []file
	for k, dump := range [][]byte{one, two} {
		name := fmt.Sprintf("%s.%d.part.gz", i.id, k)
		i.files[path.Join(i.day(), i.id, name)] = gz(dump)
		files = append(files, file{name, len(dump)})
	}
	index, _ := json.Marshal(map[string]any{"id": i.id, "type": "guacamole", "files": files}) // cannot fail
	i.files[path.Join(i.day(), i.id, i.id+".replay.json")] = index
}

// broken makes an item that cannot be converted, for one of several reasons.
func (p *planner) broken(i *item) {
	i.want = stays
	data := gz(p.piece())
	switch p.n / len(menu) % 3 {
	case 0: // cut, and old
		data = data[:len(data)*2/3]
	case 1: // another format than its name says
		for k := range data {
			data[k] = byte(p.random.Uint32())
		}
	case 2: // damaged in the middle
		dump := p.piece()
		copy(dump[len(dump)/2:], "….no instruction…;;;")
		data = gz(dump)
	}
	i.files = map[string][]byte{i.original(): data}
}

// foreign makes an item that the agent must not convert.
func (p *planner) foreign(i *item) {
	i.want = stays
	switch p.n / len(menu) % 3 {
	case 0: // a terminal session
		i.session.Protocol, i.session.TerminalType = "ssh", "koko"
		i.files = map[string][]byte{path.Join(i.day(), i.id+".cast.gz"): gz([]byte(`{"version": 2, "width": 80}` + "\n" + p.nops()))}
	case 1: // an older terminal session
		i.session.Protocol, i.session.TerminalType = "ssh", "koko"
		i.files = map[string][]byte{i.original(): gz([]byte(`{"0.1":"` + p.nops() + `"}`))}
	case 2: // of a session that core does not know
		i.session.ID = ""
		i.files = map[string][]byte{i.original(): gz(p.piece())}
	}
}

// nops returns instructions without effect that cannot be compressed.
func (p *planner) nops() string {
	var b strings.Builder
	for range 100 {
		fmt.Fprintf(&b, "3.nop,32.%016x%016x;", p.random.Uint64(), p.random.Uint64())
	}
	return b.String()
}
