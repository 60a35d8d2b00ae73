// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ClearedSide, IAuction, NewOrder, Rationing, Session, SessionState, TieRule} from "./interfaces/IAuction.sol";
import {IAuctionLedger} from "./interfaces/IAuctionLedger.sol";
import {ClearingCheck, NO_PRICE} from "./libraries/ClearingCheck.sol";
import {AuctionOrder, toAuctionOrder} from "./types/AuctionOrder.sol";
import {Fill, toFill} from "./types/Fill.sol";

/// @title Call auctions of delivery periods, around a ledger of balances
contract Auction is IAuction {
    uint256 public constant MAX_ORDERS = 1_000;
    int24 private constant MAX_TICKS = 65_535;
    uint256 private constant PERIOD_SECONDS = 900;

    IAuctionLedger public immutable ledger;
    TieRule public immutable tieRule;
    Rationing public immutable rationing;
    /// @notice How long before delivery the gate closes.
    uint256 public immutable gateLeadSeconds;
    /// @notice How long after the gate a session waits for its clearing before it may be voided.
    uint256 public immutable clearingSeconds;

    mapping(uint24 period => Session) private _sessions;
    mapping(uint24 period => AuctionOrder[]) private _asks;
    mapping(uint24 period => AuctionOrder[]) private _bids;

    constructor(
        IAuctionLedger ledger_,
        TieRule tieRule_,
        Rationing rationing_,
        uint256 gateLeadSeconds_,
        uint256 clearingSeconds_
    ) {
        (ledger, tieRule, rationing) = (ledger_, tieRule_, rationing_);
        (gateLeadSeconds, clearingSeconds) = (gateLeadSeconds_, clearingSeconds_);
    }

    function placeOrders(NewOrder[] calldata orders) external {
        for (uint256 i; i < orders.length; ++i) {
            _place(orders[i]);
        }
    }

    function cancelOrder(uint24 period, bool sells, uint24 turn) external {
        _requireGateOpen(period);
        AuctionOrder[] storage orders = _side(period, sells);
        AuctionOrder own = orders[turn];
        if (!ledger.mayTrade(msg.sender, own.trader())) revert NotYourOrder(msg.sender, turn);
        if (own.energyWh() == 0) revert NothingToRelease(turn);
        orders[turn] = own.withoutEnergy();
        _release(own, period, sells);
        emit OrderCancelled(period, sells, turn);
    }

    function submitClearing(uint24 period, int24 priceTicks, ClearedSide calldata asks, ClearedSide calldata bids)
        external
    {
        _requireAwaitingResult(period);
        uint256 volumeWh = ClearingCheck.check(_asks[period], _bids[period], priceTicks, asks, bids, tieRule, rationing);
        _sessions[period] = Session(SessionState.Cleared, priceTicks, uint64(volumeWh));
        emit SessionCleared(period, priceTicks, uint64(volumeWh), msg.sender);
        _fill(_asks[period], asks.entries, period, true, priceTicks);
        _fill(_bids[period], bids.entries, period, false, priceTicks);
    }

    function voidSession(uint24 period) external {
        _requireAwaitingResult(period);
        if (block.timestamp < gateClosesAt(period) + clearingSeconds) revert NotOverdue(period);
        _sessions[period].state = SessionState.Voided;
        emit SessionVoided(period);
    }

    function releaseOrders(uint24 period, bool sells, uint24[] calldata turns) external {
        Session memory known = _sessions[period];
        if (known.state == SessionState.Open) revert WrongState(period, known.state);
        bool traded = known.state == SessionState.Cleared && known.volumeWh != 0;
        AuctionOrder[] storage orders = _side(period, sells);
        for (uint256 i; i < turns.length; ++i) {
            AuctionOrder own = orders[turns[i]];
            bool better = sells ? own.priceTicks() < known.priceTicks : own.priceTicks() > known.priceTicks;
            if (own.energyWh() == 0 || (traded && better)) revert NothingToRelease(turns[i]);
            orders[turns[i]] = own.withoutEnergy();
            _release(own, period, sells);
            emit OrderReleased(period, sells, turns[i]);
        }
    }

    function session(uint24 period) external view returns (Session memory) {
        return _sessions[period];
    }

    function order(uint24 period, bool sells, uint24 turn) external view returns (AuctionOrder) {
        return _side(period, sells)[turn];
    }

    function orderCount(uint24 period, bool sells) external view returns (uint256) {
        return _side(period, sells).length;
    }

    function gateClosesAt(uint24 period) public view returns (uint256) {
        return uint256(period) * PERIOD_SECONDS - gateLeadSeconds;
    }

    function _place(NewOrder calldata wanted) private {
        uint24 period = wanted.period;
        _requireGateOpen(period);
        int24 priceTicks = wanted.priceTicks;
        if (priceTicks > MAX_TICKS || priceTicks < -MAX_TICKS) revert PriceOutOfBounds(priceTicks);
        if (wanted.energyWh == 0) revert EnergyZero();
        AuctionOrder[] storage orders = _side(period, wanted.sells);
        uint256 turn = orders.length;
        if (turn == MAX_ORDERS) revert SideFull(period, wanted.sells);
        orders.push(toAuctionOrder(priceTicks, wanted.trader, wanted.energyWh));
        ledger.hold(msg.sender, wanted.trader, period, wanted.sells, wanted.energyWh, priceTicks);
        emit OrderPlaced(
            period, wanted.trader, wanted.sells, uint24(turn), priceTicks, wanted.energyWh, wanted.recordHash
        );
    }

    /// @dev What served orders held beyond their part is let go at once. Those at the price lose their energy, so that
    /// they differ from those that were not served; of better ones it is known that they were.
    function _fill(AuctionOrder[] storage orders, bytes calldata entries, uint24 period, bool sells, int24 priceTicks)
        private
    {
        emit OrdersFilled(period, sells, entries);
        uint256 count = entries.length / 8;
        Fill[] memory fills = new Fill[](count);
        uint256 first = ClearingCheck.firstOf(orders);
        uint256 served;
        for (uint256 i; i < count; ++i) {
            (uint256 turn, uint256 acceptedWh) = ClearingCheck.entryAt(entries, i);
            if (acceptedWh == 0) continue;
            AuctionOrder own = ClearingCheck.orderAt(first, turn);
            if (own.priceTicks() == priceTicks) orders[turn] = own.withoutEnergy();
            fills[served] = toFill(own, acceptedWh);
            unchecked {
                ++served;
            }
        }
        assembly ("memory-safe") {
            mstore(fills, served)
        }
        ledger.settle(period, sells, priceTicks, fills);
    }

    function _release(AuctionOrder own, uint24 period, bool sells) private {
        Fill[] memory fills = new Fill[](1);
        fills[0] = toFill(own, 0);
        ledger.settle(period, sells, 0, fills);
    }

    function _requireGateOpen(uint24 period) private view {
        if (block.timestamp >= gateClosesAt(period)) revert GateClosed(period);
    }

    function _requireAwaitingResult(uint24 period) private view {
        if (block.timestamp < gateClosesAt(period)) revert GateOpen(period);
        SessionState state = _sessions[period].state;
        if (state != SessionState.Open) revert WrongState(period, state);
    }

    function _side(uint24 period, bool sells) private view returns (AuctionOrder[] storage) {
        return sells ? _asks[period] : _bids[period];
    }
}
