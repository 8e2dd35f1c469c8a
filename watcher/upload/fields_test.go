package upload

import (
	"net/http"
	"strings"
	"testing"
)

// TestWhatIsBesideTheFileOfAFormIsBounded: headers of parts and fields, before and
// after the file.
func TestWhatIsBesideTheFileOfAFormIsBounded(t *testing.T) {
	names, parts := lexicographic(1)
	data := string(parts[names[0]])
	for what, body := range map[string]string{
		"a long field":        "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + strings.Repeat("x", 1<<20) + "\r\n",
		"a long head":         "--b\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\nx\r\n",
		"many heads":          "--b\r\n" + strings.Repeat("X: y\r\n", 100_000) + "\r\nx\r\n",
		"a long way to begin": strings.Repeat("x\r\n", 1<<20),
	} {
		file := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + data + "\r\n"
		for order, form := range map[string]string{"before": body + file + "--b--\r\n", "behind": file + body + "--b--\r\n"} {
			w := newWorker(t)
			task := w.task(t, names, parts)
			kind := "multipart/form-data; boundary=b"
			if what == "a long way to begin" && order == "behind" {
				continue // that would be more of the file
			}
			if status := w.refusal(t, taskPath, kind, strings.NewReader(form)); status != http.StatusBadRequest && status != 0 {
				t.Errorf("%s %s: %d", what, order, status)
			}
			if order == "before" {
				path := "/api/v2/replay/sessions/" + task + "/task/upload/0"
				if status := w.refusal(t, path, kind, strings.NewReader(form)); status != http.StatusBadRequest && status != 0 {
					t.Errorf("%s %s, a part: %d", what, order, status)
				}
				w.empty(t)
			}
		}
	}
}
