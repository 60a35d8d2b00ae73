// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Accounts} from "./Accounts.sol";
import {Position, Trader} from "./interfaces/IAccounts.sol";
import {IConsortium, Settings} from "./interfaces/IConsortium.sol";
import {Deal, DealState, IEnergyMarket, Reason} from "./interfaces/IEnergyMarket.sol";
import {Order, OrderBook} from "./libraries/OrderBook.sol";
import {MAX_TICKS, OrderId, Side, orderAt, toOrderId} from "./libraries/OrderId.sol";

/// @title The energy market of the region
contract EnergyMarket is IEnergyMarket, Accounts {
    using OrderBook for OrderBook.Book;

    uint256 private constant PERIOD_SECONDS = 900;

    uint64 public dealCount;
    OrderBook.Book private _book;
    mapping(uint64 dealId => Deal) private _deals;
    /// @dev Where the search of an order that met the candidate limit goes on.
    mapping(OrderId id => uint256 place) private _cursors;

    /// @dev An order on its way through the market.
    struct Request {
        uint32 trader;
        Side side;
        uint16 energyTypes;
        uint24 period;
        uint16 priceTicks;
        uint40 energyWh;
    }

    constructor(IConsortium consortium_) Accounts(consortium_) {}

    function placeOrder(uint256 request, bytes32 recordHash) external returns (OrderId id) {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        Reason reason;
        (id, reason) = _place(masterId, request, recordHash, consortium.settings());
        if (reason != Reason.None) revert Refused(reason);
    }

    function placeOrders(uint256[] calldata requests, bytes32[] calldata recordHashes)
        external
        returns (OrderId[] memory ids)
    {
        if (requests.length != recordHashes.length) revert LengthsDiffer();
        uint16 masterId = consortium.activeMasterId(msg.sender);
        Settings memory settings = consortium.settings();
        ids = new OrderId[](requests.length);
        for (uint256 i; i < requests.length; ++i) {
            Reason reason;
            (ids[i], reason) = _place(masterId, requests[i], recordHashes[i], settings);
            if (reason != Reason.None) emit OrderRefused(i, recordHashes[i], reason);
        }
    }

    function amendOrder(OrderId id, uint40 energyWh, uint16 priceTicks, bytes32 recordHash)
        external
        returns (OrderId newId)
    {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        Order memory old = _ownOrder(masterId, id);
        Request memory request = Request(old.trader, id.side(), old.energyTypes, id.period(), priceTicks, energyWh);
        Settings memory settings = consortium.settings();
        Reason reason = _refusal(masterId, request, settings);
        if (reason != Reason.None) {
            emit OrderRefused(0, recordHash, reason);
            return newId;
        }
        _cancel(id);
        newId = _enter(request, recordHash, settings);
    }

    function cancelOrders(OrderId[] calldata ids) external {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        for (uint256 i; i < ids.length; ++i) {
            _ownOrder(masterId, ids[i]);
            _cancel(ids[i]);
        }
    }

    function matchOrder(OrderId id) external {
        consortium.activeMasterId(msg.sender);
        Order memory waiting = _book.orders[id];
        if (waiting.energyTypes == 0) revert NotYourOrder(id);
        uint16 masterId = _traders[waiting.trader].masterId;
        Request memory request =
            Request(waiting.trader, id.side(), waiting.energyTypes, id.period(), id.priceTicks(), waiting.openWh);
        Settings memory settings = consortium.settings();
        Reason reason = _refusal(masterId, request, settings);
        // A full queue refuses newcomers only.
        if (reason != Reason.None && reason != Reason.QueueFull) revert Refused(reason);
        (uint40 openWh, uint256 cursor) = _search(id, request, _cursors[id], settings);
        _cursors[id] = cursor;
        if (openWh != waiting.openWh) _book.take(id, waiting.openWh - openWh);
    }

    function confirm(uint64[] calldata dealIds, Side side) external {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        for (uint256 i; i < dealIds.length; ++i) {
            Deal memory agreed = _ownIntent(masterId, dealIds[i], side);
            if (block.timestamp > agreed.confirmBefore) revert WrongState(dealIds[i], agreed.state);
            if (side == Side.Ask) agreed.sellerConfirmed = true;
            else agreed.buyerConfirmed = true;
            emit PartyConfirmed(dealIds[i], side);
            if (agreed.sellerConfirmed && agreed.buyerConfirmed) {
                agreed.state = DealState.Confirmed;
                emit DealConfirmed(dealIds[i]);
            }
            _deals[dealIds[i]] = agreed;
        }
    }

    function abandon(uint64[] calldata dealIds, Side side) external {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        for (uint256 i; i < dealIds.length; ++i) {
            Deal memory agreed = _ownIntent(masterId, dealIds[i], side);
            _release(dealIds[i], agreed, DealState.Abandoned);
            emit DealAbandoned(dealIds[i], side);
        }
    }

    function expire(uint64[] calldata dealIds) external {
        consortium.activeMasterId(msg.sender);
        for (uint256 i; i < dealIds.length; ++i) {
            Deal memory agreed = _deals[dealIds[i]];
            bool open = agreed.state == DealState.Intent || agreed.state == DealState.Confirmed;
            bool late = agreed.state == DealState.Intent && block.timestamp > agreed.confirmBefore;
            if (!open || (!late && _mayTrade(agreed.seller) && _mayTrade(agreed.buyer))) {
                revert WrongState(dealIds[i], agreed.state);
            }
            _release(dealIds[i], agreed, DealState.Expired);
            emit DealExpired(dealIds[i]);
        }
    }

    function settle(uint64[] calldata dealIds) external {
        consortium.activeMasterId(msg.sender);
        for (uint256 i; i < dealIds.length; ++i) {
            Deal memory agreed = _deals[dealIds[i]];
            if (agreed.state != DealState.Confirmed) revert WrongState(dealIds[i], agreed.state);
            if (!_mayTrade(agreed.seller) || !_mayTrade(agreed.buyer)) revert PartySuspended(dealIds[i]);
            uint96 money = _money(agreed);
            _traders[agreed.buyer].heldMoney -= money;
            _traders[agreed.seller].freeMoney += money;
            Position storage claims = _positions[agreed.seller][agreed.period];
            claims.heldWh -= agreed.energyWh;
            claims.soldWh += agreed.energyWh;
            _positions[agreed.buyer][agreed.period].boughtWh += agreed.energyWh;
            _deals[dealIds[i]].state = DealState.Settled;
            emit DealSettled(dealIds[i], money);
        }
    }

    function deal(uint64 dealId) external view returns (Deal memory) {
        return _deals[dealId];
    }

    function order(OrderId id) external view returns (Order memory) {
        return _book.orders[id];
    }

    function waitingOrders(uint24 period, Side side, uint16 energyTypes, uint256 from, uint256 limit)
        external
        view
        returns (OrderId[] memory ids, uint256 nextFrom)
    {
        ids = new OrderId[](limit);
        uint256 count;
        nextFrom = _book.next(period, side, energyTypes, from);
        for (; count < limit && nextFrom != OrderBook.NONE; ++count) {
            ids[count] = orderAt(period, side, nextFrom);
            nextFrom = _book.next(period, side, energyTypes, nextFrom + 1);
        }
        assembly ("memory-safe") {
            mstore(ids, count)
        }
    }

    // Steps 1 and 2: application, and the search for a counterpart

    function _place(uint16 masterId, uint256 word, bytes32 recordHash, Settings memory settings)
        private
        returns (OrderId id, Reason reason)
    {
        if (word >> 136 != 0 || uint8(word >> 32) > uint8(Side.Bid)) return (id, Reason.MalformedRequest);
        Request memory request = Request({
            trader: uint32(word),
            side: Side(uint8(word >> 32)),
            energyTypes: uint16(word >> 40),
            period: uint24(word >> 56),
            priceTicks: uint16(word >> 80),
            energyWh: uint40(word >> 96)
        });
        reason = _refusal(masterId, request, settings);
        if (reason == Reason.None) id = _enter(request, recordHash, settings);
    }

    function _enter(Request memory request, bytes32 recordHash, Settings memory settings) private returns (OrderId id) {
        id = _book.issue(request.period, request.side, request.priceTicks);
        emit OrderPlaced(id, request.trader, request.energyTypes, request.energyWh, recordHash);
        (uint40 openWh, uint256 cursor) = _search(id, request, 0, settings);
        if (cursor != 0) _cursors[id] = cursor;
        _book.put(id, Order(request.trader, request.energyTypes, request.energyWh, openWh));
    }

    /// @dev Takes legal candidates in price-time order until the energy, the candidates or the limit run out.
    /// @return openWh What found no counterpart.
    /// @return cursor Where the search goes on if it met the candidate limit, else 0.
    function _search(OrderId id, Request memory incoming, uint256 from, Settings memory settings)
        private
        returns (uint40 openWh, uint256 cursor)
    {
        openWh = incoming.energyWh;
        Side opposite = incoming.side == Side.Ask ? Side.Bid : Side.Ask;
        uint256 worstRank = incoming.side == Side.Ask ? MAX_TICKS - incoming.priceTicks : incoming.priceTicks;
        Reason stopped;
        for (uint256 looked;; ++looked) {
            if (openWh == 0) break;
            from = _book.next(incoming.period, opposite, incoming.energyTypes, from);
            if (from == OrderBook.NONE || from >> 16 > worstRank) break;
            if (looked == settings.maxCandidates) {
                (stopped, cursor) = (Reason.CandidateLimit, from);
                break;
            }
            OrderId candidateId = orderAt(incoming.period, opposite, from);
            Order memory candidate = _book.orders[candidateId];
            uint40 energyWh = openWh < candidate.openWh ? openWh : candidate.openWh;
            bool incomingLacks;
            (stopped, incomingLacks) = _illegality(incoming, candidate, candidateId, energyWh, settings);
            if (incomingLacks) break;
            if (stopped != Reason.None) {
                emit CandidatePassedOver(id, candidateId, stopped);
                stopped = Reason.None;
                ++from;
                continue;
            }
            _book.take(candidateId, energyWh);
            if (incoming.side == Side.Ask) {
                _agree(id, candidateId, incoming.trader, candidate.trader, energyWh, settings);
            } else {
                _agree(candidateId, id, candidate.trader, incoming.trader, energyWh, settings);
            }
            openWh -= energyWh;
        }
        if (stopped != Reason.None) emit MatchingStopped(id, stopped);
    }

    // Step 3: legality

    function _refusal(uint16 masterId, Request memory request, Settings memory settings) private view returns (Reason) {
        if (_traders[request.trader].masterId != masterId) return Reason.NotYourTrader;
        if (!consortium.mayTrade(masterId)) return Reason.PartySuspended;
        if (block.timestamp + settings.gateLeadSeconds >= request.period * PERIOD_SECONDS) return Reason.GateClosed;
        if (!_inBounds(request.priceTicks, settings)) return Reason.PriceOutOfBounds;
        if (request.energyWh == 0) return Reason.EnergyZero;
        uint16 types = request.energyTypes;
        if (types == 0 || (request.side == Side.Ask && types & (types - 1) != 0)) return Reason.EnergyTypesInvalid;
        if (_book.isFull(request.period, request.side, request.priceTicks)) return Reason.QueueFull;
        return Reason.None;
    }

    /// @return reason Why the two may not trade, or `None`.
    /// @return incomingLacks True if it is the incoming order that lacks quota or deposit: its search ends there.
    function _illegality(
        Request memory incoming,
        Order memory candidate,
        OrderId candidateId,
        uint40 energyWh,
        Settings memory settings
    ) private view returns (Reason reason, bool incomingLacks) {
        if (candidate.trader == incoming.trader) return (Reason.SameUser, false);
        if (!_inBounds(candidateId.priceTicks(), settings)) return (Reason.PriceOutOfBounds, false);
        if (!_mayTrade(candidate.trader)) return (Reason.PartySuspended, false);
        bool sells = incoming.side == Side.Ask;
        (uint32 seller, uint32 buyer) =
            sells ? (incoming.trader, candidate.trader) : (candidate.trader, incoming.trader);
        Position storage claims = _positions[seller][incoming.period];
        if (uint256(claims.heldWh) + claims.soldWh + energyWh > claims.quotaWh) return (Reason.BeyondQuota, sells);
        uint256 money = uint256(energyWh) * (sells ? incoming.priceTicks : candidateId.priceTicks());
        if (_traders[buyer].freeMoney < money) return (Reason.DepositTooSmall, !sells);
        return (Reason.None, false);
    }

    function _inBounds(uint16 priceTicks, Settings memory settings) private pure returns (bool) {
        return priceTicks >= settings.floorTicks && priceTicks <= settings.capTicks;
    }

    function _mayTrade(uint32 number) private view returns (bool) {
        return consortium.mayTrade(_traders[number].masterId);
    }

    // Steps 4 and 5: intent, cooling-off, storage

    /// @dev Money and energy are held before the intent exists.
    function _agree(OrderId ask, OrderId bid, uint32 seller, uint32 buyer, uint40 energyWh, Settings memory settings)
        private
    {
        uint40 confirmBefore = uint40(block.timestamp) + settings.coolingOffSeconds;
        Deal memory agreed = Deal({
            period: ask.period(),
            askTicks: ask.priceTicks(),
            askTurn: ask.turn(),
            bidTicks: bid.priceTicks(),
            bidTurn: bid.turn(),
            energyWh: energyWh,
            seller: seller,
            buyer: buyer,
            confirmBefore: confirmBefore,
            sellerConfirmed: false,
            buyerConfirmed: false,
            state: settings.coolingOffSeconds == 0 ? DealState.Confirmed : DealState.Intent
        });
        uint96 money = _money(agreed);
        Trader storage account = _traders[buyer];
        account.freeMoney -= money;
        account.heldMoney += money;
        _positions[seller][agreed.period].heldWh += energyWh;
        uint64 dealId = ++dealCount;
        _deals[dealId] = agreed;
        emit IntentRecorded(dealId, ask, bid, energyWh, agreed.askTicks, confirmBefore);
        if (agreed.state == DealState.Confirmed) emit DealConfirmed(dealId);
    }

    function _release(uint64 dealId, Deal memory agreed, DealState state) private {
        uint96 money = _money(agreed);
        Trader storage account = _traders[agreed.buyer];
        account.heldMoney -= money;
        account.freeMoney += money;
        _positions[agreed.seller][agreed.period].heldWh -= agreed.energyWh;
        _deals[dealId].state = state;
        _book.giveBack(toOrderId(agreed.period, Side.Ask, agreed.askTicks, agreed.askTurn), agreed.energyWh);
        _book.giveBack(toOrderId(agreed.period, Side.Bid, agreed.bidTicks, agreed.bidTurn), agreed.energyWh);
    }

    function _cancel(OrderId id) private {
        _book.remove(id);
        delete _cursors[id];
        emit OrderCancelled(id);
    }

    function _ownOrder(uint16 masterId, OrderId id) private view returns (Order memory own) {
        own = _book.orders[id];
        if (own.energyTypes == 0 || _traders[own.trader].masterId != masterId) revert NotYourOrder(id);
    }

    function _ownIntent(uint16 masterId, uint64 dealId, Side side) private view returns (Deal memory agreed) {
        agreed = _deals[dealId];
        if (agreed.state != DealState.Intent) revert WrongState(dealId, agreed.state);
        bool sells = side == Side.Ask;
        if (_traders[sells ? agreed.seller : agreed.buyer].masterId != masterId) revert NotYourDeal(dealId);
        if (sells ? agreed.sellerConfirmed : agreed.buyerConfirmed) revert ConfirmedAlready(dealId);
    }

    function _money(Deal memory agreed) private pure returns (uint96) {
        return uint96(uint256(agreed.energyWh) * agreed.askTicks);
    }
}
