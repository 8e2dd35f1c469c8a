package transcode_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/seal"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// flat is the name from which core serves a recording in one file.
const flat = "2024-04-23/" + session + ".replay.gz"

// content returns the contents of all files on the volume outside of the trash, by name.
func (s *jumpServer) content() map[string]string {
	all := map[string]string{}
	for _, name := range s.files() {
		if !strings.HasPrefix(name, cleanup.TrashName) {
			data, err := os.ReadFile(filepath.Join(s.replay(), name))
			if err != nil {
				s.t.Fatal(err)
			}
			all[name] = string(data)
		}
	}
	return all
}

// inTrash returns the names of the files in the trash that do not expire, if kept, or else of
// those that do.
func (s *jumpServer) inTrash(kept bool) (names []string) {
	for _, name := range s.files() {
		rest, ok := strings.CutPrefix(name, cleanup.TrashName+"/")
		if ok && strings.HasPrefix(rest, "kept/") == kept {
			names = append(names, name)
		}
	}
	return names
}

// film returns an MP4 that plays, with a comment and a length in seconds.
func (s *jumpServer) film(seconds int, comment string) []byte {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "film.mp4")
	out, err := exec.CommandContext(s.t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("color=green:size=320x240:rate=15:duration=%d", seconds),
		"-c:v", "libx264", "-profile:v", "high", "-movflags", "+faststart", "-metadata", "comment="+comment, file).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// TestAnUploadHidesNothing: an upload never changes what core serves for its session, unless
// that is the same recording. The upload stays in the spool.
func TestAnUploadHidesNothing(t *testing.T) {
	t.Parallel()
	whole := dump(1, 1000, 4)
	uploads := map[string][]byte{
		"other":     dump(7, 1000, 4),
		"longer":    dump(7, 1000, 12),
		"too small": []byte("4.sync,1.1;4.sync,1.2;"),
		"cut":       nil, // a truncated copy of the same recording
		"not drawn": []byte("4.size,1.0,3.320,3.240;4.name,1500." + strings.Repeat("x", 1500) + ";4.sync,4.1000;4.sync,4.2000;"),
	}
	const part = "2024-04-23/" + session + "/" + session
	for has, plant := range map[string]func(s *jumpServer){
		"a recording":          func(s *jumpServer) { s.write(flat, gz(t, whole)) },
		"a cut recording":      func(s *jumpServer) { s.write(flat, cutHalf(gz(t, whole))) },
		"parts":                func(s *jumpServer) { s.writeParts(part) },
		"parts without others": func(s *jumpServer) { s.writeParts(part); os.Remove(filepath.Join(s.replay(), part+".1.part.gz")) },
		"a foreign MP4":        func(s *jumpServer) { s.write(mp4, s.film(4, "made by Video-Worker")) },
		"a terminal recording": func(s *jumpServer) { s.write("2024-04-23/"+session+".cast.gz", gz(t, []byte(`{"version":2}`))) },
		"something unseen": func(s *jumpServer) {
			one, _ := s.core.Session(session)
			one.HasReplay = true
			s.core.AddSession(one)
		},
	} {
		for what, data := range uploads {
			t.Run(has+", "+what, func(t *testing.T) {
				t.Parallel()
				s := newJumpServer(t, "4.10.13", false)
				s.gone()
				plant(s)
				before := s.content()
				file := gz(t, data)
				if what == "cut" {
					file = cutHalf(gz(t, whole))
					if has == "a cut recording" { // the same
						return
					}
				}
				a := s.uploadAgent(cleanup.PolicyDelete, nil)
				a.pool.Uploaded = func(id string, end task.UploadEnd, _ bool) { t.Errorf("%s leaves the spool (%d)", id, end) }
				var stays []task.Class
				a.pool.Stays = func(reason task.Class) { stays = append(stays, reason) }
				place := s.upload(spooled, file)
				if v := a.uploaded(t, place); v.State != queue.StateFailed || v.Reason != task.ClassDiffers {
					t.Errorf("%+v", v)
				}
				if after := s.content(); !sameContent(before, after) {
					t.Errorf("before: %d files, after: %v", len(before), s.files())
				}
				if _, err := os.Stat(filepath.Join(s.spool(), path.Base(place))); err != nil {
					t.Error(err)
				}
				if !slices.Equal(stays, []task.Class{task.ClassDiffers}) {
					t.Errorf("it stays in the spool because of %v", stays)
				}
				for _, e := range s.core.Events(session) {
					if strings.HasPrefix(e.Name, "replay_upload") {
						t.Errorf("core was told %s", e.Name)
					}
				}
				if one, _ := s.core.Session(session); one.ErrorReason != "" {
					t.Errorf("the session of a good replay has the error %s", one.ErrorReason)
				}
			})
		}
	}
}

func sameContent(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, data := range a {
		if b[name] != data {
			return false
		}
	}
	return true
}

func (s *jumpServer) writeParts(part string) {
	for i := range 2 {
		s.write(fmt.Sprintf("%s.%d.part.gz", part, i), gz(s.t, dump(uint64(i), int64(1000+i*3000), 3)))
	}
	s.write(part+".replay.json", fmt.Appendf(nil, `{"id":%q,"type":"guacamole","files":[{"name":"%[1]s.0.part.gz"},{"name":"%[1]s.1.part.gz"}]}`, session))
}

// TestAnUploadDoesNotReplaceAnMP4OfOurs: not even a longer upload does. The last case is a
// recording that another program stores while the upload is converted.
func TestAnUploadDoesNotReplaceAnMP4OfOurs(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{"longer": dump(7, 1000, 12), "longer, of the same beginning": dump(1, 1000, 12), "shorter": dump(1, 1000, 2)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			if v := s.work(cleanup.PolicyTrash); v.State != queue.StateDone {
				t.Fatalf("%+v", v)
			}
			before := s.content()
			a := s.uploadAgent(cleanup.PolicyTrash, nil)
			if v := a.uploaded(t, s.upload(spooled, gz(t, data))); v.Reason != task.ClassDiffers {
				t.Errorf("%+v", v)
			}
			if !sameContent(before, s.content()) {
				t.Errorf("changed: %v", s.files())
			}
		})
	}
	t.Run("in mid-task", func(t *testing.T) {
		t.Parallel()
		s := newJumpServer(t, "4.10.13", false)
		data := s.gone()
		a := s.uploadAgent(cleanup.PolicyTrash, func(at string) {
			if at == "verifying" { // from Lion's own upload, or from an attacker
				s.write(flat, gz(t, dump(9, 1000, 3)))
			}
		})
		if v := a.uploaded(t, s.upload(spooled, data)); v.Reason != task.ClassDiffers || s.exists(mp4) || !s.exists(flat) {
			t.Errorf("%+v, %v", v, s.files())
		}
	})
}

// claim returns the mark of an MP4 that claims to be made from the session's recording,
// without a seal.
func (s *jumpServer) claim() string {
	plan := s.plan()
	n := len(plan.Parts)
	return render.Mark{Session: session, Source: plan.Source, Agent: "jumpserver-video/1.0", Parts: n, Tail: plan.Parts[n-1].Bytes}.String()
}

// TestAMarkIsNotBelieved without its seal: anyone who has a recording can write a mark.
func TestAMarkIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(s *jumpServer) []byte{
		"a green film":                    func(s *jumpServer) []byte { return s.film(4, s.claim()) },
		"with a seal of zeros":            func(s *jumpServer) []byte { return s.film(4, s.claim()+"; seal="+strings.Repeat("0", 64)) },
		"with a seal that is none":        func(s *jumpServer) []byte { return s.film(4, s.claim()+"; seal="+strings.Repeat("x", 64)) },
		"the MP4 of an agent's other key": func(s *jumpServer) []byte { return s.made(seal.FromSecret("another")) },
		"the MP4 of an agent without key": func(s *jumpServer) []byte { return s.made(seal.Key{}) },
		"a sealed MP4, one byte changed": func(s *jumpServer) []byte {
			data := s.made(testKey)
			data[len(data)-100] ^= 1
			return data
		},
		"a sealed MP4 with something behind": func(s *jumpServer) []byte { return append(s.made(testKey), 0, 0, 0, 8, 'f', 'r', 'e', 'e') },
		"the sealed MP4 of another session": func(s *jumpServer) []byte {
			data := s.made(testKey)
			return bytes.ReplaceAll(data, []byte("session="+session), []byte("session=11111111-6c1a-4f0e-8f3a-2d1c0b9a8e7f"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			forged := forge(s)
			s.write(mp4, forged)
			v := s.work(cleanup.PolicyDelete)
			if v.State != queue.StateDone || !v.Converted() {
				t.Fatalf("%+v", v)
			}
			if s.content()[mp4] == string(forged) {
				t.Error("the forgery is in place, and the original was removed")
			}
			kept := s.inTrash(true)
			if len(kept) != 1 || !strings.HasSuffix(kept[0], mp4) {
				t.Errorf("kept permanently: %v; trash: %v", kept, s.inTrash(false))
			}
		})
	}
	t.Run("a sealed MP4", func(t *testing.T) {
		t.Parallel()
		s := newJumpServer(t, "4.10.13", false)
		made := s.made(testKey)
		s.write(mp4, made)
		if v := s.work(cleanup.PolicyTrash); v.State != queue.StateDone || v.Converted() || s.content()[mp4] != string(made) {
			t.Errorf("%+v", v)
		}
	})
}

// plan returns the plan of the session's recording.
func (s *jumpServer) plan() *render.Plan {
	s.t.Helper()
	rec, err := recording.Open(filepath.Join(s.replay(), s.path))
	if err != nil {
		s.t.Fatal(err)
	}
	plan, err := render.Scan(s.t.Context(), rec, render.ScanOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return plan
}

// made returns the MP4 that an agent with a key makes from the session's recording.
func (s *jumpServer) made(key seal.Key) []byte {
	s.t.Helper()
	tool, err := video.Find(s.t.Context(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	out := filepath.Join(s.t.TempDir(), "video.mp4")
	options := renderOptions(tool)
	options.Session, options.Seal = session, key
	made, err := s.plan().Encode(s.t.Context(), out, options, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := made.Verify(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// TestWhatWasNotDrawnIsNotDestroyed: if the MP4 may not show everything, the original is kept
// permanently, whatever the policy for originals is. The task says what may be missing.
func TestWhatWasNotDrawnIsNotDestroyed(t *testing.T) {
	t.Parallel()
	whole := string(dump(1, 1000, 4))
	after := func(text string) []byte { // inserts text in the middle of the dump
		i := strings.Index(whole, "4.sync,4.2000;")
		return []byte(whole[:i] + text + whole[i:])
	}
	image := func(mimetype, data string) []byte {
		return after(fmt.Sprintf("3.img,1.7,2.14,1.0,%d.%s,1.5,1.5;4.blob,1.7,%d.%s;3.end,1.7;", len(mimetype), mimetype, len(data), data))
	}
	for name, data := range map[string][]byte{
		"an opcode of tomorrow":     after("4.h264,1.0,4.AAAA;"),
		"an image type of tomorrow": image("image/avif", "AAAAAAAAAAAA"),
		"a damaged image":           image("image/png", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"),
		"no base64":                 image("image/png", "!!!!"),
		"a screen beyond all":       after("4.size,1.0,6.200000,6.200000;"),
	} {
		for _, policy := range []cleanup.Policy{cleanup.PolicyTrash, cleanup.PolicyDelete, cleanup.PolicyKeep} {
			t.Run(name+", "+string(policy), func(t *testing.T) {
				t.Parallel()
				s := newJumpServer(t, "4.10.13", false)
				s.write(s.path, gz(t, data))
				v := s.work(policy)
				if v.State != queue.StateDone || len(v.Incomplete) == 0 || !s.exists(mp4) {
					t.Fatalf("%+v", v)
				}
				original := filepath.Join(s.replay(), s.path)
				if policy != cleanup.PolicyKeep {
					kept := s.inTrash(true)
					if len(kept) != 1 || s.exists(s.path) {
						t.Fatalf("kept: %v, all: %v", kept, s.files())
					}
					original = filepath.Join(s.replay(), kept[0])
					if _, err := (cleanup.Trash{Root: s.replay(), Now: func() time.Time { return time.Now().AddDate(10, 0, 0) }}).Expire(time.Hour); err != nil {
						t.Error(err)
					}
				}
				if got, err := os.ReadFile(original); err != nil || !bytes.Equal(got, gz(t, data)) {
					t.Errorf("the original has changed: %v", err)
				}
			})
		}
		t.Run(name+", uploaded", func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			s.gone()
			a := s.uploadAgent(cleanup.PolicyDelete, nil)
			var ends []task.UploadEnd
			a.pool.Uploaded = func(_ string, end task.UploadEnd, _ bool) { ends = append(ends, end) }
			if v := a.uploaded(t, s.upload(spooled, gz(t, data))); v.State != queue.StateDone || len(v.Incomplete) == 0 {
				t.Errorf("%+v", v)
			}
			if !slices.Equal(ends, []task.UploadEnd{task.UploadKept}) {
				t.Errorf("%v", ends)
			}
		})
	}
	t.Run("complete", func(t *testing.T) {
		t.Parallel()
		s := newJumpServer(t, "4.10.13", false)
		one, _ := s.core.Session(session)
		one.End = one.Start.Add(5 * time.Second)
		s.core.AddSession(one)
		if v := s.work(cleanup.PolicyDelete); v.State != queue.StateDone || len(v.Incomplete) > 0 || len(s.files()) != 1 {
			t.Errorf("%+v, %v", v, s.files())
		}
	})
	t.Run("much shorter than its session", func(t *testing.T) {
		t.Parallel()
		s := newJumpServer(t, "4.10.13", false) // 4 s
		s.lasted(time.Minute)
		if v := s.work(cleanup.PolicyTrash); v.State != queue.StateDone || len(v.Incomplete) != 1 || !strings.Contains(v.Incomplete[0], "1m0s") {
			t.Errorf("%+v", v)
		}
	})
}

// TestAPartThatWasNotReadStays: a part that the index does not list, or one without a
// timestamp, so that it is not shown.
func TestAPartThatWasNotReadStays(t *testing.T) {
	t.Parallel()
	const part = "2024-04-23/" + session + "/" + session
	for _, policy := range []cleanup.Policy{cleanup.PolicyTrash, cleanup.PolicyDelete} {
		t.Run("unlisted, "+string(policy), func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", true)
			s.write(part+".2.part.gz", gz(t, dump(5, 9000, 3)))
			s.write(part+".note", []byte("an administrator's"))
			v := s.work(policy)
			if v.State != queue.StateDone || len(v.Incomplete) == 0 || !strings.Contains(strings.Join(v.Incomplete, ";"), ".2.part.gz") {
				t.Errorf("%+v", v)
			}
			if !s.exists(part+".2.part.gz") || !s.exists(part+".note") || s.exists(part+".replay.json") || len(s.inTrash(true)) != 3 {
				t.Errorf("%v", s.files())
			}
		})
		t.Run("without a time, "+string(policy), func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", true)
			s.write(part+".1.part.gz", gz(t, []byte("4.size,1.0,3.320,3.240;"+strings.Repeat("4.rect,1.0,1.0,1.0,2.10,2.10;5.cfill,2.14,1.0,3.255,1.0,1.0,3.255;", 100))))
			if v := s.work(policy); v.State != queue.StateDone || len(v.Incomplete) == 0 || len(s.inTrash(true)) != 3 {
				t.Errorf("%+v, %v", v, s.files())
			}
		})
	}
}

// TestATaskTouchesItsOwnSessionsFilesOnly, whatever its record says: an attacker who reaches
// the queue can write it.
func TestATaskTouchesItsOwnSessionsFilesOnly(t *testing.T) {
	t.Parallel()
	const victim = "2024-04-23/11111111-6c1a-4f0e-8f3a-2d1c0b9a8e7f.replay.gz"
	for name, forge := range map[string]func(s *jumpServer, record *queue.Task){
		"path": func(s *jumpServer, record *queue.Task) {
			st := s.stat(victim)
			source := task.Source{Path: victim, Size: st.Size(), ModTime: st.ModTime()}
			record.Source, record.Fingerprint = task.Encode(source), source.Fingerprint()
		},
		"path and journal": func(s *jumpServer, record *queue.Task) {
			st := s.stat(victim)
			source := task.Source{Path: victim, Size: st.Size(), ModTime: st.ModTime()}
			j := task.JournalOf(record.Data)
			j.Fingerprint, j.Reached = source.Fingerprint(), task.ReachedConfirmed
			record.Source, record.Fingerprint, record.Data = task.Encode(source), source.Fingerprint(), task.Encode(j)
		},
		"files": func(s *jumpServer, record *queue.Task) {
			st := s.stat(victim)
			j := task.JournalOf(record.Data)
			j.Reached, j.Files = task.ReachedConfirmed, []task.File{{Path: victim, Size: st.Size(), ModTime: st.ModTime()}}
			record.Data = task.Encode(j)
		},
		"date": func(_ *jumpServer, record *queue.Task) {
			j := task.JournalOf(record.Data)
			j.Reached, j.Date = task.ReachedConfirmed, "../../../etc"
			record.Data = task.Encode(j)
		},
		"spool": func(_ *jumpServer, record *queue.Task) {
			source := task.Source{Spool: "../" + spooled + "/" + session + ".replay.gz", Size: 1}
			record.Source, record.Fingerprint = task.Encode(source), source.Fingerprint()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			s.write(victim, gz(t, dump(3, 1000, 4)))
			before := s.content()
			if v := s.work(cleanup.PolicyDelete); v.State != queue.StateDone {
				t.Fatalf("%+v", v)
			}
			a := s.uploadAgent(cleanup.PolicyDelete, nil)
			a.pool.Spooled([]string{"../" + spooled + "/" + session + ".replay.gz"})
			forgeRecord(t, a.queue, func(record *queue.Task) { forge(s, record) })
			v, err := a.settle(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := s.content()[victim]; got != before[victim] {
				t.Errorf("the other session's recording is lost: %+v, %v", v, s.files())
			}
			if v.State != queue.StateFailed {
				t.Errorf("%+v", v)
			}
		})
	}
}

// forgeRecord changes the session's record in the queue, as an attacker who reaches the queue
// could.
func forgeRecord(t *testing.T, q *queue.Queue, change func(*queue.Task)) {
	t.Helper()
	if err := q.Retry(t.Context(), session); err != nil && !errors.Is(err, queue.ErrActive) {
		t.Fatal(err)
	}
	lease, err := q.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(func(record *queue.Task) {
		record.State = queue.StateQueued
		change(record)
	}); err != nil {
		t.Fatal(err)
	}
}

func (s *jumpServer) stat(rel string) os.FileInfo {
	s.t.Helper()
	st, err := os.Stat(filepath.Join(s.replay(), rel))
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// TestWhatIsNoFileIsRefusedAtOnce in the place of the MP4: a FIFO would block a worker
// permanently, and a link would lead to another file.
func TestWhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"folder": func(path string) error { return os.Mkdir(path, 0o755) },
		"link":   func(path string) error { return os.Symlink("/etc/passwd", path) },
		"dead":   func(path string) error { return os.Symlink("/nowhere", path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			if err := make(filepath.Join(s.replay(), mp4)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			v := s.work(cleanup.PolicyDelete)
			if v.State != queue.StateFailed || v.Reason != task.ClassShadowed || !s.exists(s.path) {
				t.Errorf("%+v", v)
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestAReplacedFileIsNotTaken for the original: another file replaces the original right
// before the original is retired.
func TestAReplacedFileIsNotTaken(t *testing.T) {
	t.Parallel()
	for _, policy := range []cleanup.Policy{cleanup.PolicyTrash, cleanup.PolicyDelete} {
		s := newJumpServer(t, "4.10.13", false)
		newcomer := gz(t, dump(42, 1000, 4))
		a := s.uploadAgent(policy, func(at string) {
			if at == "retiring" {
				s.write(s.path, newcomer) // with the same modification time
			}
		})
		if err := a.offer(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, err := a.settle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.content()[s.path] != string(newcomer) || v.State == queue.StateDone {
			t.Errorf("%s: %+v, %v", policy, v, s.files())
		}
	}
}

// TestWhatCoreMovesElsewhereIsNotConvertedAgain: with SERVER_REPLAY_STORAGE, core moves the
// MP4 to another storage, and copies the original to the volume for each viewer.
func TestWhatCoreMovesElsewhereIsNotConvertedAgain(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.16", false)
	original, err := os.ReadFile(filepath.Join(s.replay(), s.path))
	if err != nil {
		t.Fatal(err)
	}
	if v := s.work(cleanup.PolicyTrash); v.State != queue.StateDone {
		t.Fatalf("%+v", v)
	}
	if err := os.Remove(filepath.Join(s.replay(), mp4)); err != nil {
		t.Fatal(err)
	}
	events := len(s.core.Events(session))
	for i := range 3 { // someone plays it repeatedly
		s.write(s.path, original)
		at := recorded.Add(time.Duration(i+1) * time.Hour)
		if err := os.Chtimes(filepath.Join(s.replay(), s.path), at, at); err != nil {
			t.Fatal(err)
		}
		if v := s.work(cleanup.PolicyTrash); v.State != queue.StateSkipped || v.Reason != task.ClassElsewhere || !strings.Contains(v.Error, "SERVER_REPLAY_STORAGE") {
			t.Errorf("%+v", v)
		}
	}
	if !s.exists(s.path) || len(s.inTrash(false)) != 1 || len(s.core.Events(session)) != events {
		t.Errorf("%v; core got the events %v", s.files(), s.core.Events(session))
	}

	// After a retry, an MP4 that was removed is made again.
	a := s.uploadAgent(cleanup.PolicyTrash, nil)
	if err := a.queue.Retry(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	if v, err := a.settle(t.Context()); err != nil || v.State != queue.StateDone || !s.exists(mp4) {
		t.Errorf("%+v, %v", v, err)
	}
}
