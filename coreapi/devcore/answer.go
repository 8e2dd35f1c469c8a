package devcore

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// object is a JSON object of an answer.
type object map[string]any

// reply is an answer in JSON. A nil body sends none.
type reply struct {
	status int
	body   any
	header map[string]string
}

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

// refuse is core's general form of a failure.
func refuse(status int, code, detail string) reply {
	return reply{status: status, body: object{"detail": detail, "code": code}}
}

// invalid is core's form of a field that is not right.
func invalid(field, problem string) reply {
	return reply{status: http.StatusBadRequest, body: object{field: []string{problem}}}
}

// failed is what core answers when its code raises something unexpected.
func failed() reply {
	return reply{status: http.StatusInternalServerError, body: object{"error": "Server internal error"}}
}

// missing is what core answers for an object that it does not have, or that
// the caller's organization hides.
func missing(what string) reply {
	return refuse(http.StatusNotFound, "object_does_not_exist", what+" object does not exist.")
}

// unrouted is the answer for a URL that core does not have; unlike [missing]
// it has no code.
func unrouted() reply { return reply{status: http.StatusNotFound, body: object{"error": "Not found"}} }

func forbidden() reply {
	return refuse(http.StatusForbidden, "permission_denied", "You do not have permission to perform this action.")
}

func (a reply) send(w http.ResponseWriter) {
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	b, err := json.Marshal(a.body)
	if err != nil {
		// Maps and structs of plain values always marshal.
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(a.status)
	_, _ = w.Write(b) // the caller may have gone
}

// labelled is core's form of a choice.
func labelled(value, label string) object { return object{"value": value, "label": label} }

// choiceError is core's text for a value outside of an enumeration.
func choiceError(value any) string {
	return fmt.Sprintf("\"%v\" is not a valid choice.", value)
}

const (
	errRequired = "This field is required."
	errNull     = "This field may not be null."
	errBlank    = "This field may not be blank."
	errBool     = "Must be a valid boolean."
	errInteger  = "A valid integer is required."
	errNumber   = "A valid number is required."
)

// errMax is core's text for a text that is too long.
func errMax(n int) string {
	return fmt.Sprintf("Ensure this field has no more than %d characters.", n)
}

// cutMiddle shortens a text of limit characters or more, as core shortens
// names: the same number of characters from both ends and dots between.
func cutMiddle(s string, limit int) string {
	r := []rune(s)
	if len(r) < limit {
		return s
	}
	const dots = "..."
	half := (limit - len(dots)) / 2
	return string(r[:half]) + dots + string(r[len(r)-half:])
}
