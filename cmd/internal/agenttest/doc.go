// Package agenttest runs a real agent as a service manager would, for tests and
// benchmarks, and looks at it from outside.
//
// [New] prepares an [Agent]: a folder, an address that nobody else uses, and a
// development core with its replay volume unless the caller has one. Nothing of
// the caller's own settings reaches the agent. It is then started, stopped,
// killed and started again as often as wanted:
//
//	a, err := agenttest.New(agenttest.Options{Binary: "bin/jumpserver-video", Core: &devcore.Options{Version: "4.10.13"}})
//	if err != nil {
//		return err
//	}
//	defer a.Close()
//	a.Env["SETTLE_TIME"] = "1s"
//	if err := a.Start(); err != nil {
//		return err
//	}
//	return a.WaitHealthy(ctx)
//
// Everything returns errors, as benchmarks need it. Tests use [InTest] and
// [Agent.Check], which end the test and show the agent's log.
//
// [Process] is the part that knows nothing of agents: a program that is ended and
// started again.
package agenttest
