/* The flood and its repair as a model for the checker Spin: three nodes, one to three messages, links that fail and
 * return, and a disk that loses what was not durable yet. It is no implementation: it knows no time, no bytes and no
 * signatures. docs/protocol.md, section 8; what was left out, and why it may be, stands in 8.11.
 *
 * tests/model/flood.test.ts runs it. By hand, in a folder that may be littered:
 *
 *     spin -a -DLINE -DFAILURES=2 flood.pml && gcc -O2 -DSAFETY -o pan pan.c && ./pan
 *     spin -a -DLINE -DFAILURES=1 flood.pml && gcc -O2 -DNP -o pan pan.c && ./pan -l
 *
 * The first visits every state: no assertion may fail in any, and where nothing can happen any more (`Quiet`) every node
 * must have every message. The second looks for a run without an end: as there is none, every run becomes quiet,
 * whatever the order in which things happen, and no assumption about fairness is needed.
 *
 * A set of messages is a number: message n is the bit 1 << n. A `Neighbour` is one end of a link, and each of its steps is
 * one transition. What travels is a set too: of the bundles any may come next, and claims may overtake them. TCP allows
 * less than that, so nothing is missed. */

/* How often each may happen in one run. */
#ifndef FAILURES
#define FAILURES 0 /* a link fails */
#endif
#ifndef GONE
#define GONE 0 /* one that failed never returns; with 1, the rest of a triangle still joins all */
#endif
#ifndef LOSSES
#define LOSSES 0 /* the full queue of a neighbour does not take a bundle */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* an answer is given up that would have come */
#endif
#ifndef TURNS
#define TURNS 0 /* one direction of a link turns lazy, or eager again */
#endif
#ifndef FORGERIES
#define FORGERIES 0 /* a forged copy of message 0 comes before the true one; it is told apart by its signature alone */
#endif
#ifndef CRASHES
#define CRASHES 0 /* a node dies and starts again at once; to be away for longer is what failing links are */
#endif

/* LINE: 0 - 1 - 2 in place of the triangle. DISK: what was taken becomes durable some time later. LIAR: the node of that
 * number claims to hold everything, and gives nothing.
 * Each WRONG_… breaks one rule; Spin has to find what comes of it. */
#ifndef LIAR
#define LIAR 3 /* nobody */
#endif

/* Who publishes which message. What one node publishes is one entry of `have`, and one bucket of the digests. */
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef ORIGIN_1
#define ORIGIN_1 2
#endif
#define ALL ((1 << MESSAGES) - 1)
#define OF(origin) ((((origin) == 0) * 5 | ((origin) == ORIGIN_1) * 2) & ALL)
/* Everything by the origins of any message of the set. */
#define ENTRIES(set) ((((set) & OF(0)) != 0) * OF(0) | (((set) & OF(1)) != 0) * OF(1) | (((set) & OF(2)) != 0) * OF(2))

/* What a node keeps for one link while its end is open. */
typedef End {
  bit isOpen
  bit exchanged /* the other's digests have come */
  unsigned digests : 3 /* what our own were made of, until then */
  unsigned claims : 3 /* what the other holds, as it says */
  bit outstanding /* a want is not answered yet */
  bit waiting /* an answer did not come in time: not asked for a while, */
  bit suspect /* and until it gives something, only for what the other neighbour does not claim; outlives the link */
  unsigned request : 2 /* the number of the newest want: 1, 2, 3, 1, … */
  unsigned asked : 3 /* what the outstanding want asked for and has not come */
}

/* What is queued or under way from one node to another. It is lost when the receiver's end closes. */
typedef Way {
  unsigned bundles : 3 /* from the flood */
  bit lazy /* nothing is sent unasked: the other end has said so, of its own accord, at any moment */
  bit greeted /* a have with digests, */
  unsigned digests : 3 /* made of these */
  unsigned entries : 3 /* a have with the entries of all these; one stands for several that were not read yet */
  unsigned held : 3 /* what of them it claims */
  unsigned request : 2 /* a want, 0: none; a newer one displaces it */
  unsigned wanted : 3
  unsigned given : 2 /* the number that the answer has, 0: no answer */
  unsigned answer : 3 /* its bundles: one at most, so that `more` has something to do */
  bit more
}

/* Both by a node and its neighbour. */
#define PAIR(a, b) (2 * (a) + (b) - ((b) > (a)))
End ends[6]
Way ways[6]
bool isGone[6]

/* By node. */
byte seen[3] /* taken: not taken again */
byte delivered[3] /* in this run */
byte exempt[3] /* seen without being delivered in this run: its own, and what was stored before the run began */
byte pending[3] /* taken in this run, not durable yet */
byte stored[3] /* durable; in memory, everything at once */

byte published
byte everStored
byte failures = FAILURES
byte gone = GONE
byte losses = LOSSES
byte timeouts = TIMEOUTS
byte turns = TURNS
byte forgeries = FORGERIES
byte crashes = CRASHES

/* For use within one step. */
hidden byte node
hidden byte set
hidden byte wasAsked
hidden byte wasEmpty

#define MINE ends[PAIR(me, peer)]
#define THEIRS ends[PAIR(peer, me)]
#define OUT ways[PAIR(me, peer)]
#define IN ways[PAIR(peer, me)]

/* What is marked as seen was delivered, or is not to be. */
#define CHECK assert(seen[me] == (delivered[me] | exempt[me]))

/* Queues a bundle for every neighbour but `from` that wants it unasked; one that came because it was asked for, where it is
 * not claimed. */
inline forward(m, from, asked) {
  for (node : 0 .. 2) {
    if
    :: node != me && node != from && ends[PAIR(me, node)].isOpen && ends[PAIR(node, me)].isOpen &&
      !(asked && (ends[PAIR(me, node)].claims & m)) && !ways[PAIR(me, node)].lazy ->
      ways[PAIR(me, node)].bundles = ways[PAIR(me, node)].bundles | m
    :: else fi
  }
  node = 0 /* a step must not end with a loop */
}

#ifdef WRONG_SILENT
#define IS_TOLD(b) (!ways[PAIR(me, b)].lazy)
#else
#define IS_TOLD(b) true
#endif

#ifdef WRONG_CLAIM_EARLY
#define HOLDINGS (seen[me])
#else
#define HOLDINGS (me == LIAR -> ALL : stored[me])
#endif

/* Tells every neighbour that has greeted the entries in which something changed. A `have` that leaves later would tell
 * more, which is as if it left now and were read later. */
inline tell(changed) {
  for (node : 0 .. 2) {
    if
    :: node != me && ends[PAIR(me, node)].exchanged && ends[PAIR(node, me)].isOpen && IS_TOLD(node) ->
      ways[PAIR(me, node)].entries = ways[PAIR(me, node)].entries | ENTRIES(changed)
      ways[PAIR(me, node)].held = ways[PAIR(me, node)].held | (HOLDINGS & ENTRIES(changed))
    :: else fi
  }
  node = 0
}

/* What was taken becomes durable: the bundles, and with them that they were seen. */
inline commit() {
  set = pending[me]
  stored[me] = stored[me] | set
  everStored = everStored | set
  pending[me] = 0
  tell(set)
}

inline take(m) {
  seen[me] = seen[me] | m
  pending[me] = pending[me] | m
#ifndef DISK
  commit()
#endif
#ifdef WRONG_CLAIM_EARLY
  tell(m)
#endif
}

/* A bundle frame has come. Of what the peer has, the copy that waits for it is withdrawn. */
inline receive(m, isGenuine) {
  wasAsked = MINE.asked & m
  MINE.asked = MINE.asked & ~m
  MINE.suspect = MINE.suspect && !wasAsked
  if
  :: seen[me] & m -> OUT.bundles = OUT.bundles & ~m
  :: else ->
#ifdef WRONG_MARK_FIRST
    take(m)
#endif
    if
    :: isGenuine ->
      take(m)
      if
      :: OF(me) & m -> exempt[me] = exempt[me] | m
      :: else ->
        assert(!(delivered[me] & m))
        delivered[me] = delivered[me] | m
      fi
      forward(m, peer, wasAsked)
    :: else fi
  fi
  CHECK
}

/* a's end opens, and greets with digests of what a can give. */
inline openEnd(a, b) {
  ends[PAIR(a, b)].isOpen = 1
#ifndef WRONG_NO_REPAIR
  ends[PAIR(a, b)].digests = (a == LIAR -> 0 : stored[a])
  ways[PAIR(a, b)].digests = ends[PAIR(a, b)].digests
  ways[PAIR(a, b)].greeted = 1
#endif
}

#define CLEAR4(what, a_, b_, c_, d_) what.a_ = 0; what.b_ = 0; what.c_ = 0; what.d_ = 0

/* a's end closes: it forgets what it kept for the link, and what was under way to it is lost. */
inline closeEnd(a, b) {
  CLEAR4(ends[PAIR(a, b)], isOpen, exchanged, digests, claims)
  CLEAR4(ends[PAIR(a, b)], outstanding, waiting, request, asked)
  CLEAR4(ways[PAIR(b, a)], bundles, greeted, digests, entries)
  CLEAR4(ways[PAIR(b, a)], held, request, wanted, given)
  ways[PAIR(b, a)].answer = 0
  ways[PAIR(b, a)].more = 0
  ways[PAIR(a, b)].lazy = 0
}

#define WANT ways[PAIR(b, a)]
#define ANSWER ways[PAIR(a, b)]

/* a answers a want of b once the answer before has been read. It may look at once: a claim stays true, so what it finds
 * is the same at any time. A copy that waits in the queue of the flood goes with the answer. */
inline give(a, b) {
  if
  :: a != LIAR && WANT.request && !ANSWER.given ->
    set = WANT.wanted & stored[a]
    ANSWER.given = WANT.request
    ANSWER.answer = set & -set
    ANSWER.more = (set & (set - 1)) != 0
    ANSWER.bundles = ANSWER.bundles & ~ANSWER.answer
    WANT.request = 0
    WANT.wanted = 0
  :: else fi
}

#define IS_DOWN (me < peer && !MINE.isOpen && !THEIRS.isOpen && !isGone[PAIR(me, peer)])
#define OTHER ends[PAIR(me, 3 - me - peer)]
/* Claimed by this neighbour, not seen, not asked of the other one, and not left to it. */
#define MISSING (MINE.claims & ~(seen[me] | OTHER.asked | (MINE.suspect && !OTHER.suspect) * OTHER.claims))
#define BUNDLE(m) d_step { me != LIAR && (IN.bundles & m) -> IN.bundles = IN.bundles & ~m; receive(m, true) }
#define LIE(isMore) d_step { me == LIAR && IN.request && THEIRS.isOpen && !OUT.given -> \
  OUT.given = IN.request; OUT.more = isMore; IN.request = 0; IN.wanted = 0 }
#define LOSS(m) d_step { losses > 0 && (IN.bundles & m) -> losses--; IN.bundles = IN.bundles & ~m }

/* One end of a link. */
proctype Neighbour(byte me; byte peer) {
end: do
  /* A link fails at one end first; the other end notices in its own time, and goes on sending until then. */
  :: d_step { MINE.isOpen && THEIRS.isOpen && failures > 0 -> failures--; closeEnd(me, peer) }
  :: d_step { MINE.isOpen && !THEIRS.isOpen -> closeEnd(me, peer) }
  :: d_step { IS_DOWN -> openEnd(me, peer); openEnd(peer, me) }
  :: d_step { IS_DOWN && gone > 0 -> gone--; isGone[PAIR(me, peer)] = 1 }

  /* The way out turns lazy: what waits is taken back, and what is under way may be lost. Or it turns eager again. */
  :: d_step { turns > 0 && MINE.isOpen -> turns--; OUT.lazy = 1 - OUT.lazy; OUT.bundles = OUT.bundles & ~(OUT.lazy * ALL) }

  :: BUNDLE(1) :: BUNDLE(2) :: BUNDLE(4)
  :: LOSS(1) :: LOSS(2) :: LOSS(4)
  :: d_step { forgeries > 0 && MINE.isOpen && !(seen[me] & 1) -> forgeries--; receive(1, false) }

  /* Digests have come: what is the same in them and in those that we sent, the other holds; all else is told. */
  :: d_step { IN.greeted ->
      MINE.exchanged = 1
#ifdef WRONG_COMPARE_NOW
      MINE.digests = stored[me]
#endif
      MINE.claims = MINE.digests & ~ENTRIES(MINE.digests ^ IN.digests)
      set = ENTRIES(MINE.claims ^ HOLDINGS)
      OUT.entries = THEIRS.isOpen * set
      OUT.held = THEIRS.isOpen * (HOLDINGS & set)
      MINE.digests = 0
      IN.digests = 0
      IN.greeted = 0
    }
  :: d_step { IN.entries && !IN.greeted ->
      MINE.claims = (MINE.claims & ~IN.entries) | IN.held
      assert(peer == LIAR || !(MINE.claims & ~stored[peer]))
      IN.entries = 0
      IN.held = 0
    }

  /* What is missing is asked for at any time from now on: before or behind the copies that the flood brings. */
  :: d_step { me != LIAR && !MINE.outstanding && !MINE.waiting && MISSING ->
      MINE.asked = MISSING
      MINE.outstanding = 1
      MINE.request = MINE.request % 3 + 1
      OUT.request = THEIRS.isOpen * MINE.request
      OUT.wanted = THEIRS.isOpen * MINE.asked
      give(peer, me)
    }
  :: d_step { IN.given ->
      wasEmpty = !IN.answer
      if
      :: IN.answer -> receive(IN.answer, true)
      :: else fi
      if
      :: MINE.outstanding && IN.given == MINE.request ->
        if
        :: !IN.more -> MINE.claims = MINE.claims & ~MINE.asked
#ifndef WRONG_TRUST_MORE
        :: IN.more && wasEmpty -> MINE.claims = MINE.claims & ~MINE.asked
#endif
        :: else fi
        MINE.asked = 0
        MINE.outstanding = 0
      :: else fi
      IN.given = 0
      IN.answer = 0
      IN.more = 0
      give(peer, me)
    }
  :: d_step { MINE.outstanding && (peer == LIAR || timeouts > 0) ->
      timeouts = timeouts - (peer != LIAR)
      MINE.asked = 0
      MINE.outstanding = 0
      MINE.waiting = 1
      MINE.suspect = 1
    }
  /* The wait for a liar lasts longer than the run. */
  :: d_step { MINE.waiting && peer != LIAR -> MINE.waiting = 0 }

  /* A liar says nothing, or that it has nothing, or that it has more. */
  :: d_step { me == LIAR && IN.bundles -> IN.bundles = 0 }
  :: d_step { me == LIAR && IN.request -> IN.request = 0; IN.wanted = 0 }
  :: LIE(0) :: LIE(1)
  od
}

#define PUBLISH(m) d_step { (OF(me) & m & ~published) -> \
  published = published | m; exempt[me] = exempt[me] | m; take(m); forward(m, me, false) }

proctype Node(byte me) {
end: do
  :: PUBLISH(1) :: PUBLISH(2) :: PUBLISH(4)
#ifdef DISK
  :: d_step { pending[me] -> commit() }
#endif
  :: d_step { crashes > 0 ->
      crashes--
      closeEnd(me, ((me + 1) % 3))
      closeEnd(me, ((me + 2) % 3))
      ends[2 * me].suspect = 0; ends[2 * me + 1].suspect = 0
      pending[me] = 0
      delivered[me] = 0
#ifndef WRONG_SEEN_ALONE
      seen[me] = stored[me]
#endif
      exempt[me] = seen[me]
    }
  od
}

/* Nothing can happen any more. Every node has the same messages: all of them, or, when one has crashed, at least all that
 * were ever durable anywhere. Nothing waits for an answer, and each knows what its neighbours hold. */
active proctype Quiet() {
  byte me, peer
  timeout -> d_step {
    for (me : 0 .. 2) {
      for (peer : 0 .. 2) {
        if
        :: me != LIAR && peer != LIAR && me != peer ->
          assert(seen[me] == seen[peer] && !(everStored & ~seen[me]) && (CRASHES > 0 || seen[me] == ALL))
          assert(stored[me] == seen[me])
          assert(!MINE.asked && !MINE.outstanding)
#if !defined(WRONG_NO_REPAIR) && !defined(WRONG_SILENT)
          assert(!MINE.isOpen || MINE.claims == stored[peer])
#endif
        :: else fi
      }
    }
  }
}

/* An open link on which the digests have been exchanged: nobody had anything yet. */
inline begin(a, b) {
  ends[PAIR(a, b)].isOpen = 1; ends[PAIR(a, b)].exchanged = 1
  ends[PAIR(b, a)].isOpen = 1; ends[PAIR(b, a)].exchanged = 1
  ways[PAIR(b, a)].entries = (b == LIAR) * ALL
  ways[PAIR(b, a)].held = (b == LIAR) * ALL
  run Neighbour(a, b)
  run Neighbour(b, a)
}

init {
  atomic {
    run Node(0); run Node(1); run Node(2)
    begin(0, 1); begin(1, 2)
#ifndef LINE
    begin(0, 2)
#endif
  }
}
