// Package waittest waits in tests for what other goroutines and processes do.
//
// A test should wait for an event, not for a time: it then is as fast as what it
// tests, and does not fail on a slow machine. Where no other process is involved,
// testing/synctest is better still.
//
// The package is part of coreapi because the tests of everything may import it from
// there.
package waittest

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// Usual is how long a step may take on a busy machine.
const Usual = time.Minute

// Patience returns how long to wait for something that is expected to happen:
// [Usual], multiplied by TEST_PATIENCE on slower machines. Patience panics if
// TEST_PATIENCE is not a positive number.
func Patience() time.Duration { return Stretch(Usual) }

// Stretch returns a duration multiplied by TEST_PATIENCE, which is 1 by default.
// It panics if TEST_PATIENCE is not a positive number.
func Stretch(d time.Duration) time.Duration {
	text := os.Getenv("TEST_PATIENCE")
	if text == "" {
		return d
	}
	factor, err := strconv.ParseFloat(text, 64)
	if err != nil || factor <= 0 {
		panic(fmt.Sprintf("TEST_PATIENCE is %q, not a positive number", text))
	}
	return time.Duration(factor * float64(d))
}

// Until waits until ok returns true, and ends the test if that takes longer than
// [Patience]. The message contains what, and the values that details return.
func Until(t testing.TB, what string, ok func() bool, details ...func() any) {
	t.Helper()
	Within(t, Patience(), what, ok, details...)
}

// Within is [Until] for at most a given time.
func Within(t testing.TB, most time.Duration, what string, ok func() bool, details ...func() any) {
	t.Helper()
	for began := time.Now(); !ok(); {
		took := time.Since(began)
		if took > most {
			fail(t, fmt.Sprintf("not within %s: %s", most, what), details)
		}
		time.Sleep(Pause(took))
	}
}

// During checks that ok returns true all the time for a duration, and ends the test
// as soon as it does not. The message is like that of [Until]. Use it only for what no event can prove: that something
// does not happen. On a slow machine it may miss it, but it never fails wrongly.
func During(t testing.TB, d time.Duration, what string, ok func() bool, details ...func() any) {
	t.Helper()
	for began := time.Now(); ; {
		took := time.Since(began)
		if !ok() {
			fail(t, fmt.Sprintf("no longer after %s: %s", took.Round(time.Millisecond), what), details)
		}
		if took >= d {
			return
		}
		time.Sleep(min(Pause(took), d-took))
	}
}

// fail ends the test.
func fail(t testing.TB, message string, details []func() any) {
	t.Helper()
	for _, detail := range details {
		message += fmt.Sprintf("\n%+v", detail())
	}
	t.Fatal(message)
}

// Pause returns how long to wait before the next look at something that has not
// happened for some time: a tenth of it, so that short waits end quickly and long
// ones need few looks.
func Pause(took time.Duration) time.Duration {
	return min(max(took/10, time.Millisecond), 500*time.Millisecond)
}
