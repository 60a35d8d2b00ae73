// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Auction} from "../src/Auction.sol";
import {ClearedSide, NewOrder, Rationing, TieRule} from "../src/interfaces/IAuction.sol";
import {AuctionOrder, toAuctionOrder} from "../src/types/AuctionOrder.sol";
import {ClearingCheckHarness} from "./ClearingCheck.t.sol";
import {AuctionLedger} from "./support/AuctionLedger.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @title Gas of a call auction: a hundred asks and a hundred bids, all accepted
/// @notice Figures go to `snapshots/auction.json`, the intrinsic gas and the calldata of the transaction included.
/// forge-config: default.isolate = true
contract AuctionGasTest is Test {
    uint24 private constant PERIOD = 1_888_992;
    uint256 private constant COUNT = 100;
    int24 private constant TICKS = 3_700;
    uint40 private constant WH = 250_000;

    /// @notice The check alone costs at most 4,500 gas an accepted order.
    function test_check() public {
        ClearingCheckHarness harness = new ClearingCheckHarness();
        AuctionOrder[] memory asks = new AuctionOrder[](COUNT);
        AuctionOrder[] memory bids = new AuctionOrder[](COUNT);
        for (uint32 i; i < COUNT; ++i) {
            asks[i] = toAuctionOrder(TICKS - int24(uint24(i)), i + 1, WH);
            bids[i] = toAuctionOrder(TICKS + 1 + int24(uint24(i)), i + 1, WH);
        }
        harness.fill(1, asks, bids);
        (ClearedSide memory sold, ClearedSide memory bought) = _clearing();
        harness.check(1, TICKS + 1, sold, bought, TieRule.Middle, Rationing.ProRata);
        uint256 gas = vm.snapshotGasLastCall("auction", "check 200 accepted orders");
        assertLe(gas / (2 * COUNT), 4_500, "check alone, an accepted order");
    }

    /// @notice Checking and filling costs at most 15,000, where traders have claims in the period already.
    function test_checkAndFill() public {
        AuctionLedger ledger = new AuctionLedger();
        Auction auction = new Auction(ledger, TieRule.Middle, Rationing.ProRata, 3_600, 1_800);
        ledger.trust(address(auction));
        NewOrder[] memory orders = new NewOrder[](1);
        for (uint32 i; i < 2 * COUNT; ++i) {
            bool sells = i < COUNT;
            ledger.open(i + 1, address(this), 10_000_000_000);
            ledger.grant(i + 1, PERIOD, 2 * WH);
            int24 step = int24(uint24(i % COUNT));
            orders[0] = NewOrder(PERIOD, i + 1, sells, sells ? TICKS - step : TICKS + 1 + step, WH, bytes32(uint256(1)));
            auction.placeOrders(orders);
        }
        vm.snapshotGasLastCall("auction", "place one order");
        (ClearedSide memory sold, ClearedSide memory bought) = _clearing();
        vm.warp(auction.gateClosesAt(PERIOD));
        auction.submitClearing(PERIOD, TICKS + 1, sold, bought);
        uint256 gas = vm.snapshotGasLastCall("auction", "check and fill 200 accepted orders");
        assertLe(gas / (2 * COUNT), 15_000, "check and fill, an accepted order");
    }

    /// @dev All is accepted; of the prices from the dearest ask to the cheapest bid the middle is the bid's.
    function _clearing() private pure returns (ClearedSide memory sold, ClearedSide memory bought) {
        for (uint256 i; i < COUNT; ++i) {
            sold.entries = bytes.concat(sold.entries, bytes8(uint64((COUNT - 1 - i) << 40 | WH)));
        }
        bought.entries = sold.entries;
        (bought.margin.energyWh, bought.margin.acceptedWh) = (WH, WH);
    }
}
