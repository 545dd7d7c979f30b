------------------------------- MODULE Leases -------------------------------
(* Leases, terms and publication, as docs/protocol.md describes them: two coordinators on one database, each of which  *)
(* may believe that it leads; workers that may be cut off; an object store with conditional puts.                      *)
(*                                                                                                                     *)
(* Messages stay in `sent` for ever: one that is never received was lost, one that is received late was delayed.       *)
(* `faults` bounds what may go wrong: a process that dies, a coordinator that starts beside another, a lease that      *)
(* expires though its worker lives, a straggler's duplicate. `Mutant` names the one rule that is left out.             *)
EXTENDS Naturals, FiniteSets

CONSTANTS Coordinators, Workers, Tasks, MaxFaults, Mutant

VARIABLES
  term,        \* in the database: of the coordinator that started last
  stored,      \* in the database: of each task its state, its largest token, who has that, the value of its result
  published,   \* in the object store: of each task the value of results/<action>; 0: there is none
  coordinator, \* of each: whether it runs, its term, its memory of `stored`, the leases that it holds for live
  worker,      \* of each process: the lease it executes, the value it published, leases it took and leases it lost
  sent,        \* leases and reports
  accepted,    \* of each task: under which circumstances its result was taken
  written,     \* the term of the last commit, and the term in the database then
  faults

vars == <<term, stored, published, coordinator, worker, sent, accepted, written, faults>>

None == [task |-> "none", token |-> 0]
Lease(t, k) == [task |-> t, token |-> k]
LeaseMessage(t, k, w) == [kind |-> "lease", task |-> t, token |-> k, worker |-> w, value |-> 0]
ReportMessage(t, k, w, v) == [kind |-> "report", task |-> t, token |-> k, worker |-> w, value |-> v]
Leases == {m \in sent : m.kind = "lease"}
Reports == {m \in sent : m.kind = "report"}

Init ==
  /\ term = 0
  /\ stored = [t \in Tasks |-> [state |-> "ready", token |-> 0, worker |-> "none", value |-> 0]]
  /\ published = [t \in Tasks |-> 0]
  /\ coordinator = [c \in Coordinators |-> [up |-> FALSE, term |-> 0, memory |-> stored, live |-> [t \in Tasks |-> {}]]]
  /\ worker = [w \in Workers |-> [has |-> None, value |-> 0, took |-> {}, lost |-> {}]]
  /\ sent = {}
  /\ accepted = [t \in Tasks |-> [token |-> 0, live |-> TRUE]]
  /\ written = [by |-> 0, at |-> 0]
  /\ faults = 0

Fault == faults < MaxFaults /\ faults' = faults + 1

-----------------------------------------------------------------------------
(* Coordinators                                                                                                        *)

\* Takes the next term and reads everything: of each leased task only the last lease holds.
Begin(c) ==
  /\ ~coordinator[c].up
  /\ term' = term + 1
  /\ coordinator' = [coordinator EXCEPT ![c] =
       [up |-> TRUE, term |-> term + 1, memory |-> stored,
        live |-> [t \in Tasks |-> IF stored[t].state = "leased" /\ Mutant # "restart forgets"
                                  THEN {[token |-> stored[t].token, worker |-> stored[t].worker]} ELSE {}]]]
  /\ UNCHANGED <<stored, published, worker, sent, accepted, written>>

Start(c) == /\ \A d \in Coordinators : ~coordinator[d].up
            /\ Begin(c)
            /\ UNCHANGED faults

StartBeside(c) == /\ \E d \in Coordinators : coordinator[d].up
                  /\ Begin(c)
                  /\ Fault

CrashCoordinator(c) ==
  /\ coordinator[c].up
  /\ Fault
  /\ coordinator' = [coordinator EXCEPT ![c].up = FALSE]
  /\ UNCHANGED <<term, stored, published, worker, sent, accepted, written>>

\* Commits what becomes of a task and then answers; refused where another coordinator has the term, and then it ends.
Commit(c, t, record, live, answers, taken) ==
  IF term = coordinator[c].term \/ Mutant = "no term"
  THEN /\ stored' = [stored EXCEPT ![t] = record]
       /\ coordinator' = [coordinator EXCEPT ![c].memory[t] = record, ![c].live[t] = live]
       /\ sent' = sent \cup answers
       /\ accepted' = [accepted EXCEPT ![t] = taken]
       /\ written' = [by |-> coordinator[c].term, at |-> term]
       /\ UNCHANGED <<term, published, worker>>
  ELSE /\ coordinator' = [coordinator EXCEPT ![c].up = FALSE]
       /\ sent' = IF Mutant = "act before persist" THEN sent \cup answers ELSE sent
       /\ UNCHANGED <<term, stored, published, worker, accepted, written>>

IsFree(c, w) == Mutant = "two leases" \/ \A t \in Tasks : \A l \in coordinator[c].live[t] : l.worker # w

Give(c, w, t) ==
  LET record == coordinator[c].memory[t]
      token == IF Mutant = "token again" /\ record.token > 0 THEN record.token ELSE record.token + 1
  IN  /\ IsFree(c, w)
      /\ Commit(c, t, [record EXCEPT !.state = "leased", !.token = token, !.worker = w],
                coordinator[c].live[t] \cup {[token |-> token, worker |-> w]}, {LeaseMessage(t, token, w)}, accepted[t])

Grant(c, w, t) ==
  /\ coordinator[c].up
  /\ coordinator[c].memory[t].state = "ready"
  /\ Give(c, w, t)
  /\ UNCHANGED faults

\* A straggler is given to a second worker as well.
Duplicate(c, w, t) ==
  /\ coordinator[c].up
  /\ coordinator[c].memory[t].state = "leased"
  /\ Cardinality(coordinator[c].live[t]) = 1
  /\ \A l \in coordinator[c].live[t] : l.worker # w
  /\ Give(c, w, t)
  /\ Fault

End(c, t, lease) ==
  LET record == coordinator[c].memory[t]
      live == coordinator[c].live[t] \ {lease}
  IN  Commit(c, t, [record EXCEPT !.state = IF live = {} THEN "ready" ELSE "leased"], live, {}, accepted[t])

\* The process that had it is gone.
Expire(c, t, lease) ==
  /\ coordinator[c].up
  /\ coordinator[c].memory[t].state = "leased"
  /\ lease \in coordinator[c].live[t]
  /\ Lease(t, lease.token) \in worker[lease.worker].lost
  /\ Mutant # "no expiry"
  /\ End(c, t, lease)
  /\ UNCHANGED faults

\* It lives, and nothing was heard of it for too long.
ExpireOfTheLiving(c, t, lease) ==
  /\ coordinator[c].up
  /\ coordinator[c].memory[t].state = "leased"
  /\ lease \in coordinator[c].live[t]
  /\ End(c, t, lease)
  /\ Fault

Take(c, m) ==
  LET record == coordinator[c].memory[m.task]
      isLive == [token |-> m.token, worker |-> m.worker] \in coordinator[c].live[m.task]
  IN  /\ coordinator[c].up
      /\ record.state # "done"
      /\ isLive \/ Mutant = "no token"
      /\ Commit(c, m.task, [record EXCEPT !.state = "done", !.value = m.value], {}, {},
                [token |-> m.token, live |-> isLive])
      /\ UNCHANGED faults

-----------------------------------------------------------------------------
(* Workers                                                                                                             *)

Receive(w, m) ==
  /\ m.worker = w
  /\ worker[w].has = None
  /\ Lease(m.task, m.token) \notin worker[w].took
  /\ worker' = [worker EXCEPT ![w].has = Lease(m.task, m.token), ![w].value = 0,
                              ![w].took = @ \cup {Lease(m.task, m.token)}]
  /\ UNCHANGED <<term, stored, published, coordinator, sent, accepted, written, faults>>

\* One conditional put; who comes second adopts what is there. Values are told apart by task and token here, as if no
\* task were deterministic: the fences do not lean on that it is.
Publish(w) ==
  LET lease == worker[w].has
      isFirst == published[lease.task] = 0
  IN  /\ lease # None
      /\ worker[w].value = 0
      /\ published' = IF isFirst \/ Mutant = "overwriting put"
                      THEN [published EXCEPT ![lease.task] = lease.token] ELSE published
      /\ worker' = [worker EXCEPT ![w].value = published'[lease.task]]
      /\ UNCHANGED <<term, stored, coordinator, sent, accepted, written, faults>>

Report(w) ==
  /\ worker[w].has # None
  /\ worker[w].value # 0
  /\ sent' = sent \cup {ReportMessage(worker[w].has.task, worker[w].has.token, w, worker[w].value)}
  /\ worker' = [worker EXCEPT ![w].has = None, ![w].value = 0]
  /\ UNCHANGED <<term, stored, published, coordinator, accepted, written, faults>>

CrashWorker(w) ==
  /\ worker[w].has # None
  /\ Fault
  /\ worker' = [worker EXCEPT ![w].has = None, ![w].value = 0, ![w].lost = @ \cup {worker[w].has}]
  /\ UNCHANGED <<term, stored, published, coordinator, sent, accepted, written>>

-----------------------------------------------------------------------------
Next ==
  \/ \E c \in Coordinators :
       \/ Start(c) \/ StartBeside(c) \/ CrashCoordinator(c)
       \/ \E t \in Tasks :
            \/ \E w \in Workers : Grant(c, w, t) \/ Duplicate(c, w, t)
            \/ \E l \in coordinator[c].live[t] : Expire(c, t, l) \/ ExpireOfTheLiving(c, t, l)
       \/ \E m \in Reports : Take(c, m)
  \/ \E w \in Workers :
       \/ \E m \in Leases : Receive(w, m)
       \/ Publish(w) \/ Report(w) \/ CrashWorker(w)

\* What is possible again and again happens: a report is repeated until it is answered, a lease is asked for until there
\* is one, a coordinator that ended is started again.
Fairness ==
  /\ WF_vars(\E c \in Coordinators : Start(c))
  /\ \A c \in Coordinators :
       /\ WF_vars(\E w \in Workers, t \in Tasks : Grant(c, w, t))
       /\ WF_vars(\E t \in Tasks : \E l \in coordinator[c].live[t] : Expire(c, t, l))
       /\ WF_vars(\E m \in Reports : Take(c, m))
  /\ \A w \in Workers :
       /\ WF_vars(\E m \in Leases : Receive(w, m))
       /\ WF_vars(Publish(w))
       /\ WF_vars(Report(w))

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* What is promised                                                                                                    *)

\* A token of a task is one lease of one worker, whoever gave it and in whichever term.
TokenNamesOneLease ==
  \A m \in Leases : \A n \in Leases : m.task = n.task /\ m.token = n.token => m.worker = n.worker

\* Under one term a worker has one lease, and a task one or, as a straggler's, two.
LiveLeasesAreApart ==
  \A c \in Coordinators : coordinator[c].up =>
    /\ \A t \in Tasks : Cardinality(coordinator[c].live[t]) <= 2
    /\ \A w \in Workers : Cardinality({t \in Tasks : \E l \in coordinator[c].live[t] : l.worker = w}) <= 1

TakenUnderALiveToken == \A t \in Tasks : accepted[t].live

WrittenUnderTheTerm == written.by = written.at

\* One committed result of a task: what the database says is what the object store has.
OneResult == \A t \in Tasks : stored[t].state = "done" => stored[t].value = published[t]

FinishedStaysFinished == [][\A t \in Tasks : stored[t].state = "done" => stored'[t] = stored[t]]_vars

EveryTaskEnds == \A t \in Tasks : <>[](stored[t].state = "done")
=============================================================================
