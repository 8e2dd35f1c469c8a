//go:build static

package main

import _ "time/tzdata" // WORK_HOURS is in local time, and a small system may have no time zones
