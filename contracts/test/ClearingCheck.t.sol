// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ClearedSide, Fault, IAuction, Rationing, TieRule} from "../src/interfaces/IAuction.sol";
import {ClearingCheck, NO_PRICE} from "../src/libraries/ClearingCheck.sol";
import {AuctionOrder, toAuctionOrder} from "../src/types/AuctionOrder.sol";
import {SimpleClearing} from "./support/SimpleClearing.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @title Holds sessions' orders and checks clearings of them
contract ClearingCheckHarness {
    mapping(uint256 session => AuctionOrder[]) private _asks;
    mapping(uint256 session => AuctionOrder[]) private _bids;

    function fill(uint256 session, AuctionOrder[] calldata asks, AuctionOrder[] calldata bids) external {
        _asks[session] = asks;
        _bids[session] = bids;
    }

    function check(
        uint256 session,
        int24 priceTicks,
        ClearedSide calldata asks,
        ClearedSide calldata bids,
        TieRule tieRule,
        Rationing rationing
    ) external view returns (uint256) {
        return ClearingCheck.check(_asks[session], _bids[session], priceTicks, asks, bids, tieRule, rationing);
    }
}

contract ClearingCheckTest is Test {
    struct Numbers {
        uint256[] all;
        uint256 next;
    }

    ClearingCheckHarness private _harness = new ClearingCheckHarness();
    uint256 private _sessions;

    /// @notice Contract and reference find the same fault, or none, in every clearing; `tools/auction_vectors.py` wrote
    /// them down, as numbers that are read in turn.
    function test_agreesWithTheReference() public {
        Numbers memory numbers =
            Numbers(vm.parseJsonUintArray(vm.readFile("test/vectors/clearings.json"), ".numbers"), 0);
        uint256 met;
        while (numbers.next < numbers.all.length) {
            TieRule tieRule = TieRule(_next(numbers));
            Rationing rationing = Rationing(_next(numbers));
            AuctionOrder[] memory asks = _readOrders(numbers);
            AuctionOrder[] memory bids = _readOrders(numbers);
            uint256 price = _next(numbers);
            int24 priceTicks = price == 0 ? NO_PRICE : _price(price);
            ClearedSide memory askSide = _readSide(numbers);
            ClearedSide memory bidSide = _readSide(numbers);
            Fault found = _judge(asks, bids, priceTicks, askSide, bidSide, tieRule, rationing);
            assertEq(uint256(found), _next(numbers), "the reference's fault");
            met |= 1 << uint256(found);
        }
        assertEq(met, 2 ** (uint256(type(Fault).max) + 1) - 1, "every fault is met");
    }

    /// @notice What is cleared the long way passes; and with anything changed it does not.
    function testFuzz_onlyTheRightClearingPasses(uint256 seed) public {
        AuctionOrder[] memory asks = _orders(seed, 0);
        AuctionOrder[] memory bids = _orders(seed, 1);
        TieRule tieRule = TieRule(random(seed, 2) % 3);
        Rationing rationing = Rationing(random(seed, 3) % 2);
        (int24 priceTicks, ClearedSide memory askSide, ClearedSide memory bidSide) =
            SimpleClearing.clear(asks, bids, tieRule, rationing);
        Fault found = _judge(asks, bids, priceTicks, askSide, bidSide, tieRule, rationing);
        assertEq(uint256(found), uint256(Fault.None), "right");
        _change(seed, askSide, bidSide);
        found = _judge(asks, bids, priceTicks, askSide, bidSide, tieRule, rationing);
        assertTrue(found != Fault.None, "changed");
    }

    /// @dev Turn one bit over, of an accepted energy or of a margin.
    function _change(uint256 seed, ClearedSide memory asks, ClearedSide memory bids) private pure {
        ClearedSide memory side = random(seed, 10) % 2 == 0 ? asks : bids;
        uint256 count = side.entries.length / 8;
        if (count == 0 || random(seed, 11) % 4 == 0) side.margin.acceptedWh ^= uint64(1 << random(seed, 12) % 4);
        else side.entries[8 * (random(seed, 13) % count) + 7] ^= bytes1(uint8(1 << random(seed, 14) % 4));
    }

    function _judge(
        AuctionOrder[] memory asks,
        AuctionOrder[] memory bids,
        int24 priceTicks,
        ClearedSide memory askSide,
        ClearedSide memory bidSide,
        TieRule tieRule,
        Rationing rationing
    ) private returns (Fault) {
        _harness.fill(++_sessions, asks, bids);
        try _harness.check(_sessions, priceTicks, askSide, bidSide, tieRule, rationing) returns (uint256) {
            return Fault.None;
        } catch (bytes memory reason) {
            assertEq(uint32(bytes4(reason)), uint32(IAuction.WrongClearing.selector), "error");
            uint256 fault;
            assembly ("memory-safe") {
                fault := mload(add(reason, 36))
            }
            return Fault(fault);
        }
    }

    function _readOrders(Numbers memory numbers) private pure returns (AuctionOrder[] memory orders) {
        orders = new AuctionOrder[](_next(numbers));
        for (uint32 i; i < orders.length; ++i) {
            int24 priceTicks = _price(_next(numbers));
            orders[i] = toAuctionOrder(priceTicks, i + 1, uint40(_next(numbers)));
        }
    }

    function _readSide(Numbers memory numbers) private pure returns (ClearedSide memory side) {
        side.margin.energyWh = uint64(_next(numbers));
        side.margin.acceptedWh = uint64(_next(numbers));
        uint256 count = _next(numbers);
        for (uint256 i; i < count; ++i) {
            uint256 turn = _next(numbers);
            side.entries = bytes.concat(side.entries, bytes8(uint64(turn << 40 | _next(numbers))));
        }
    }

    function _next(Numbers memory numbers) private pure returns (uint256) {
        return numbers.all[numbers.next++];
    }

    function _price(uint256 number) private pure returns (int24) {
        return int24(int256(number)) - 100;
    }

    function _orders(uint256 seed, uint256 side) private pure returns (AuctionOrder[] memory orders) {
        seed = random(seed, 20 + side);
        orders = new AuctionOrder[](random(seed, 0) % 8);
        for (uint256 i; i < orders.length; ++i) {
            int24 priceTicks = int24(int256(random(seed, 2 * i + 1) % 11)) - 3;
            orders[i] = toAuctionOrder(priceTicks, uint32(i + 1), uint40(random(seed, 2 * i + 2) % 13));
        }
    }
}
