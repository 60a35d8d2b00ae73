// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {MAX_TICKS, OrderId, Side, orderIdAt, toOrderId} from "../src/types/OrderId.sol";
import {Test} from "./support/Test.sol";

contract OrderIdTest is Test {
    function testFuzz_anIdGivesBackWhatItWasMadeOf(uint24 period, bool bid, uint16 ticks, uint16 turn) public pure {
        Side side = bid ? Side.Bid : Side.Ask;
        OrderId id = toOrderId(period, side, ticks, turn);
        assertEq(id.period(), period, "period");
        assertTrue(id.side() == side, "side");
        assertEq(id.priceTicks(), ticks, "price");
        assertEq(id.turn(), turn, "turn");
        assertEq(id.halfBook(), uint256(period) << 8 | (bid ? 1 : 0), "half book");
    }

    function testFuzz_aPlaceNamesOneOrder(uint24 period, bool bid, uint16 ticks, uint16 turn) public pure {
        Side side = bid ? Side.Bid : Side.Ask;
        OrderId id = toOrderId(period, side, ticks, turn);
        assertEq(id.rank(), bid ? MAX_TICKS - ticks : ticks, "rank");
        assertEq(orderIdAt(id.halfBook(), id.place()), id, "order at the place");
    }

    function testFuzz_cheaperAsksComeFirst(uint24 period, uint16 ticks, uint16 other, uint16 turn, uint16 late)
        public
        pure
    {
        uint256 place = toOrderId(period, Side.Ask, ticks, turn).place();
        uint256 otherPlace = toOrderId(period, Side.Ask, other, late).place();
        bool first = ticks != other ? ticks < other : turn < late;
        assertTrue(first == (place < otherPlace), "price, then turn");
    }

    function testFuzz_dearerBidsComeFirst(uint24 period, uint16 ticks, uint16 other, uint16 turn, uint16 late)
        public
        pure
    {
        uint256 place = toOrderId(period, Side.Bid, ticks, turn).place();
        uint256 otherPlace = toOrderId(period, Side.Bid, other, late).place();
        bool first = ticks != other ? ticks > other : turn < late;
        assertTrue(first == (place < otherPlace), "price, then turn");
    }
}
