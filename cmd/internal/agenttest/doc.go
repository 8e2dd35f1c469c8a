// Package agenttest runs a real agent as a service manager would, for tests and
// benchmarks, and inspects it from outside.
//
// [New] prepares an [Agent]: a folder, a reserved address, and a development core
// with its replay volume unless the caller has one. None of the caller's own
// settings reach the agent. It can then be started, stopped and killed any number
// of times:
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
// All methods return errors, because benchmarks need them. Tests use [InTest] and
// [Agent.Check], which end the test and print the agent's log.
//
// [Process] does not depend on agents: it is a program that is stopped and
// started again.
package agenttest
