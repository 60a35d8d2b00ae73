// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IExchange} from "../../src/interfaces/IExchange.sol";
import {Position, Trader} from "../../src/interfaces/IAccounts.sol";
import {IConsortium, Master, Settings} from "../../src/interfaces/IConsortium.sol";
import {Deal, DealState, IEnergyMarket} from "../../src/interfaces/IEnergyMarket.sol";
import {FreeCapacity, TransferCapacity} from "../../src/interfaces/ITransfers.sol";
import {OrderId, Side, toOrderId} from "../../src/types/OrderId.sol";
import {Request} from "../../src/types/Request.sol";
import {toRequest} from "./MarketTest.sol";
import {Test} from "./Test.sol";
import {vm} from "./Vm.sol";

/// @notice What the handler remembers of an order. Its number in the list is the order of arrival.
struct Known {
    OrderId id;
    uint32 trader;
    Side side;
    uint8 energyTypes;
    uint24 period;
    uint16 ticks;
    uint40 energyWh;
    bool removed;
    /// @dev What was open at its removal, and what came back from its deals later.
    uint40 withdrawnWh;
    uint64 dealCountAtRemoval;
    /// @dev Where a search that met the candidate limit goes on (see `_rankOf`).
    uint256 resumeAt;
    /// @dev Bit `1 << masterId` for each master that let it down, and until when that counts.
    uint256 apart;
    uint256 apartUntil;
}

/// @notice How a deal ends without a transfer.
struct Ending {
    uint64 dealId;
    DealState state;
    bool sellerLets;
    bool buyerLets;
    uint40 askOpenWh;
    uint40 bidOpenWh;
}

/// @notice What a search must do.
/// @param candidates Numbers of the orders it must make deals with.
/// @param energiesWh Over how much.
/// @param count How many deals.
/// @param resumeAt Where it must stop because of the candidate limit, else 0.
/// @param lost Numbers of the orders that stand for nothing, and must lose their turn.
/// @param lostWh What of them is open.
/// @param lostCount How many these are.
struct Expected {
    uint256[] candidates;
    uint40[] energiesWh;
    uint256 count;
    uint256 resumeAt;
    uint256[] lost;
    uint40[] lostWh;
    uint256 lostCount;
}

/// @notice What the deals of a search have taken so far.
/// @param soldWh Energy, by seller.
/// @param spent Money, by buyer.
/// @param carriedWh Energy between the two zones, all in one direction.
struct Taken {
    uint256[] soldWh;
    uint256[] spent;
    uint256 carriedWh;
}

/// @title Drives a market with random but sensible calls
/// @notice Before each call that matches, the handler works out which deals must follow by looking through all
/// orders it knows, and compares. A call that must fail is expected to fail.
contract MarketHandler is Test {
    uint160 private constant FIRST_MASTER = 0x51;
    address private constant GRID = address(0x52);
    uint16 private constant MASTERS = 4;
    uint32 private constant TRADERS = 10;
    uint256 private constant MAX_ORDERS = 80;
    uint256 private constant ORDERS_AT_ONCE = 4;
    uint256 private constant NONE = type(uint256).max;

    IConsortium private immutable _consortium;
    IExchange private immutable _market;
    uint24 private immutable _period;
    uint24 private immutable _laterPeriod;

    Known[] private _orders;
    mapping(OrderId id => uint256 number) private _numberOf;
    mapping(uint64 dealId => DealState) public endedAs;
    mapping(bytes32 what => uint256) public times;

    constructor(IConsortium consortium, IExchange market, uint24 period, uint24 laterPeriod) {
        (_consortium, _market, _period, _laterPeriod) = (consortium, market, period, laterPeriod);
    }

    /// @notice Every third trader is in zone 1.
    function zoneOf(uint32 trader) public pure returns (uint8) {
        return trader % 3 == 0 ? 1 : 0;
    }

    function orders() external view returns (Known[] memory) {
        return _orders;
    }

    // Orders

    function ask(uint256 seed) external {
        for (uint256 i; i < ORDERS_AT_ONCE; ++i) {
            _place(_someOrder(Side.Ask, random(seed, i)));
        }
    }

    function bid(uint256 seed) external {
        for (uint256 i; i < ORDERS_AT_ONCE; ++i) {
            _place(_someOrder(Side.Bid, random(seed, i)));
        }
    }

    function amend(uint256 seed) external {
        if (_orders.length == 0 || _orders.length == MAX_ORDERS) return;
        Known storage old = _orders[seed % _orders.length];
        Known memory amended = old;
        amended.apart = 0;
        (amended.ticks, amended.energyWh) = (_someTicks(seed >> 8), _someEnergy(seed >> 24));
        bool reverts = old.removed || !_isActive(old.trader);
        bool legal = !reverts && _mayEnter(amended);
        Expected memory expected = _search(amended, amended.energyWh, 0);
        uint64 dealsBefore = _market.dealCount();
        uint40 openWh = _openWh(old);
        if (reverts) vm.expectRevert();
        vm.prank(_masterOf(old.trader));
        amended.id = _market.amendOrder(old.id, amended.energyWh, amended.ticks, "record");
        if (reverts) return;
        require((OrderId.unwrap(amended.id) != 0) == legal, "taken if, and only if, it is legal");
        if (!legal) return;
        _remove(old, openWh, dealsBefore);
        _enter(amended, dealsBefore, expected);
        ++times["amended"];
    }

    function cancel(uint256 seed) external {
        if (_orders.length == 0) return;
        Known storage known = _orders[seed % _orders.length];
        OrderId[] memory ids = new OrderId[](1);
        ids[0] = known.id;
        bool legal = !known.removed && _isActive(known.trader);
        uint40 openWh = _openWh(known);
        if (!_isActive(known.trader)) vm.expectRevert();
        vm.prank(_masterOf(known.trader));
        _market.cancelOrders(ids);
        if (!legal) return;
        _remove(known, openWh, _market.dealCount());
        ++times["cancelled"];
    }

    function matchAgain(uint256 seed) external {
        if (_orders.length == 0) return;
        uint256 number = seed % _orders.length;
        // Searches that stopped come first: there are few of them.
        for (uint256 i; i < _orders.length && _orders[number].resumeAt == 0; ++i) {
            number = (number + 1) % _orders.length;
        }
        Known storage known = _orders[number];
        uint40 openWh = _openWh(known);
        bool legal = openWh != 0 && _mayStand(known);
        Expected memory expected = _search(known, openWh, known.resumeAt);
        uint64 dealsBefore = _market.dealCount();
        if (!legal) vm.expectRevert();
        vm.prank(GRID);
        _market.matchOrder(known.id);
        if (!legal) return;
        if (known.resumeAt != 0) ++times["searches gone on"];
        known.resumeAt = expected.resumeAt;
        _compare(known, dealsBefore, expected);
    }

    // Deals

    /// @dev Half of the time for both parties.
    function confirm(uint256 seed, bool sells) external {
        uint64 dealId = _someDeal(seed, DealState.Intent);
        _confirm(dealId, sells);
        if (seed & 1 == 0) _confirm(dealId, !sells);
    }

    function abandon(uint256 seed, bool sells) external {
        uint64 dealId = _someDeal(seed, DealState.Intent);
        Deal memory agreed = _market.deal(dealId);
        uint32 party = sells ? agreed.seller : agreed.buyer;
        bool confirmed = sells ? agreed.sellerConfirmed : agreed.buyerConfirmed;
        bool legal = agreed.state == DealState.Intent && !confirmed && _isActive(party);
        Ending memory ending = _ending(dealId, agreed, DealState.Abandoned, sells, !sells);
        if (!_acts(party)) vm.expectRevert();
        vm.prank(_masterOf(party));
        _market.abandon(_among(dealId), sells ? Side.Ask : Side.Bid);
        if (legal) _released(agreed, ending);
        else _stays(dealId, agreed);
    }

    function expire(uint256 seed) external {
        uint64 dealId = _someDeal(seed, DealState.Intent);
        Deal memory agreed = _market.deal(dealId);
        bool late = agreed.state == DealState.Intent && block.timestamp > agreed.confirmBefore;
        bool open = agreed.state == DealState.Intent || agreed.state == DealState.Confirmed;
        bool legal = late || (open && !(_mayTrade(agreed.seller) && _mayTrade(agreed.buyer)));
        (bool sellerLets, bool buyerLets) = (late && !agreed.sellerConfirmed, late && !agreed.buyerConfirmed);
        Ending memory ending = _ending(dealId, agreed, DealState.Expired, sellerLets, buyerLets);
        vm.prank(GRID);
        _market.expire(_among(dealId));
        if (legal) _released(agreed, ending);
        else _stays(dealId, agreed);
    }

    /// @dev A confirmed deal of two who may trade is settled, whatever else is in the batch; nothing makes the call fail.
    function settle(uint256 seed) external {
        uint64 dealId = _someDeal(seed, DealState.Confirmed);
        Deal memory agreed = _market.deal(dealId);
        bool legal = agreed.state == DealState.Confirmed && _mayTrade(agreed.seller) && _mayTrade(agreed.buyer);
        uint96 freeBefore = legal ? _market.trader(agreed.seller).freeMoney : 0;
        vm.prank(GRID);
        _market.settle(_among(dealId));
        if (!legal) {
            _stays(dealId, agreed);
            return;
        }
        assertEq(uint8(_market.deal(dealId).state), uint8(DealState.Settled), "settled");
        uint96 money = uint96(agreed.energyWh) * agreed.askTicks;
        assertEq(_market.trader(agreed.seller).freeMoney, freeBefore + money, "the seller is paid the ask's price");
        endedAs[dealId] = DealState.Settled;
        ++times["settled"];
    }

    // Accounts, members, settings, time

    function deposit(uint256 seed, uint96 money) external {
        (uint32[] memory traders, uint96[] memory moneys) = (new uint32[](1), new uint96[](1));
        (traders[0], moneys[0]) = (_someTrader(seed), uint96(bound(money, 0, 1e6)));
        vm.prank(GRID);
        _market.deposit(traders, moneys, "payment");
    }

    /// @dev Takes nearly all, so that deposits that are too small happen.
    function withdraw(uint256 seed) external {
        uint32 trader = _someTrader(seed);
        uint96 freeMoney = _market.trader(trader).freeMoney;
        uint96 money = uint96(bound(seed >> 8, freeMoney / 2, uint256(freeMoney) + freeMoney / 16));
        if (money > freeMoney) vm.expectRevert();
        vm.prank(GRID);
        _market.withdraw(trader, money, "payment");
    }

    function moveDeposit(uint256 seed, uint96 money) external {
        (uint32 from, uint32 to) = (_someTrader(seed), _someTrader(seed >> 8));
        uint96 freeMoney = _market.trader(from).freeMoney;
        money = uint96(bound(money, 0, uint256(freeMoney) + 1));
        if (money > freeMoney || _masterOf(from) != _masterOf(to) || !_isActive(from)) vm.expectRevert();
        vm.prank(_masterOf(from));
        _market.moveDeposit(from, to, money);
    }

    function setQuota(uint256 seed, uint48 quotaWh) external {
        (uint32 trader, uint24 period) = (_someTrader(seed), _somePeriod(seed >> 8));
        Position memory claims = _market.position(trader, period);
        (uint24[] memory periods, uint32[] memory traders, uint48[] memory quotas) =
            (new uint24[](1), new uint32[](1), new uint48[](1));
        (periods[0], traders[0], quotas[0]) = (period, trader, uint48(bound(quotaWh, 0, 1_500)));
        if (quotas[0] < claims.heldWh + claims.soldWh || !_isActive(trader)) vm.expectRevert();
        vm.prank(_masterOf(trader));
        _market.setQuotas(periods, traders, quotas);
    }

    /// @dev In one direction between the two zones, now and then less than is taken.
    function publishTransfer(uint256 seed) external {
        uint8 fromZone = uint8(seed & 1);
        FreeCapacity[] memory capacities = new FreeCapacity[](1);
        capacities[0] = FreeCapacity(_somePeriod(seed >> 1), fromZone, 1 - fromZone, uint64((seed >> 8) % 1_500));
        vm.prank(GRID);
        _market.publishTransferCapacity(capacities);
    }

    /// @dev Suspends a master other than the settlement agent, or admits one again; never fewer than three active.
    function changeMember(uint256 seed) external {
        for (uint16 masterId = 1; masterId <= MASTERS; ++masterId) {
            Master memory member = _consortium.master(masterId);
            if (member.active) continue;
            _carry(abi.encodeCall(IConsortium.admit, (member.account, member.role)));
            return;
        }
        uint16[3] memory others = [uint16(1), 3, 4];
        _carry(abi.encodeCall(IConsortium.suspend, (others[seed % 3])));
    }

    function changeSettings(uint256 seed) external {
        Settings memory settings = _consortium.settings();
        settings.coolingOffSeconds = seed & 3 == 0 ? 0 : 900;
        settings.maxCandidates = seed >> 2 & 1 == 0 ? 1 : 16;
        settings.floorTicks = seed >> 3 & 3 == 0 ? 3_702 : 3_700;
        settings.capTicks = seed >> 5 & 3 == 0 ? 3_709 : 3_712;
        settings.fallbackTicks = settings.floorTicks;
        settings.apartSeconds = seed >> 7 & 3 == 0 ? 0 : 30 minutes;
        settings.leastWh = seed >> 9 & 1 == 0 ? 1 : 100;
        settings.bidMultiple = seed >> 10 & 1 == 0 ? 1 : 4;
        _carry(abi.encodeCall(IConsortium.changeSettings, (settings)));
    }

    function passTime(uint256 seed) external {
        vm.warp(block.timestamp + seed % 900);
    }

    // What a search must do

    function _search(Known memory incoming, uint40 openWh, uint256 from)
        private
        view
        returns (Expected memory expected)
    {
        Settings memory settings = _consortium.settings();
        expected.candidates = new uint256[](_orders.length);
        expected.energiesWh = new uint40[](_orders.length);
        expected.lost = new uint256[](_orders.length);
        expected.lostWh = new uint40[](_orders.length);
        Taken memory taken = Taken(new uint256[](TRADERS + 1), new uint256[](TRADERS + 1), 0);
        for (uint256 looked; openWh != 0; ++looked) {
            uint256 number = _best(incoming, from);
            if (number == NONE) break;
            Known memory candidate = _orders[number];
            from = _rankOf(candidate, number);
            if (looked == settings.maxCandidates) {
                expected.resumeAt = from;
                break;
            }
            ++from;
            uint40 energyWh = _openWh(candidate);
            if (openWh < energyWh) energyWh = openWh;
            bool goesOn;
            bool lacks;
            (energyWh, goesOn, lacks) = _legalPart(incoming, candidate, energyWh, settings, taken);
            if (energyWh == 0 && lacks && _hasNothing(candidate)) {
                (expected.lost[expected.lostCount], expected.lostWh[expected.lostCount]) = (number, _openWh(candidate));
                ++expected.lostCount;
            }
            if (energyWh != 0) {
                expected.candidates[expected.count] = number;
                expected.energiesWh[expected.count++] = energyWh;
                openWh -= energyWh;
            }
            if (!goesOn) break;
        }
    }

    /// @dev As much of a deal as is legal; adds it to what is taken. The search ends where the incoming order lacks means.
    function _legalPart(
        Known memory incoming,
        Known memory candidate,
        uint40 energyWh,
        Settings memory settings,
        Taken memory taken
    ) private view returns (uint40, bool goesOn, bool lacks) {
        if (candidate.trader == incoming.trader) return (0, true, false);
        if (candidate.ticks < settings.floorTicks || candidate.ticks > settings.capTicks) return (0, true, false);
        if (!_mayTrade(candidate.trader)) return (0, true, false);
        if (_isApart(incoming, candidate) || _isApart(candidate, incoming)) return (0, true, false);
        bool sells = incoming.side == Side.Ask;
        uint32 seller = sells ? incoming.trader : candidate.trader;
        uint32 buyer = sells ? candidate.trader : incoming.trader;
        uint256 most = energyWh;
        goesOn = true;
        if (zoneOf(seller) != zoneOf(buyer)) {
            if (_masterOf(seller) == _masterOf(buyer) && !_isLast(incoming.period, settings)) return (0, true, false);
            uint256 free = _freeTransfer(incoming.period, seller);
            free = free > taken.carriedWh ? free - taken.carriedWh : 0;
            if (free < most) most = free;
        }
        Position memory claims = _market.position(seller, incoming.period);
        uint256 room = claims.quotaWh - claims.heldWh - claims.soldWh - taken.soldWh[seller];
        if (room < most) (most, goesOn, lacks) = (room, !sells, !sells);
        uint256 ticks = sells ? incoming.ticks : candidate.ticks;
        uint256 affordable = (_market.trader(buyer).freeMoney - taken.spent[buyer]) / ticks;
        if (affordable < most) (most, goesOn, lacks) = (affordable, sells, sells);
        taken.soldWh[seller] += most;
        taken.spent[buyer] += most * ticks;
        if (zoneOf(seller) != zoneOf(buyer)) taken.carriedWh += most;
        return (uint40(most), goesOn, lacks);
    }

    /// @dev Whether an order has no means behind it, also if all open deals of its trader ended.
    function _hasNothing(Known memory known) private view returns (bool) {
        Trader memory account = _market.trader(known.trader);
        if (known.side == Side.Bid) return account.freeMoney + account.heldMoney < known.ticks;
        Position memory claims = _market.position(known.trader, known.period);
        return claims.quotaWh == claims.soldWh;
    }

    /// @dev Whether the gate closes within a period.
    function _isLast(uint24 period, Settings memory settings) private view returns (bool) {
        return block.timestamp + 900 >= uint256(period) * 900 - settings.gateLeadSeconds;
    }

    /// @dev From the seller's zone to the other one; less than nothing is free where less was published than is taken.
    function _freeTransfer(uint24 period, uint32 seller) private view returns (uint256) {
        TransferCapacity memory known = _market.transferCapacity(period, zoneOf(seller), 1 - zoneOf(seller));
        return known.capacityWh > known.usedWh ? known.capacityWh - known.usedWh : 0;
    }

    /// @dev The best order that crosses the incoming one, from a rank on.
    function _best(Known memory incoming, uint256 from) private view returns (uint256 best) {
        best = NONE;
        uint256 bestRank = NONE;
        for (uint256 i; i < _orders.length; ++i) {
            Known memory known = _orders[i];
            if (known.side == incoming.side || known.period != incoming.period) continue;
            if (known.energyTypes & incoming.energyTypes == 0 || _openWh(known) == 0) continue;
            (uint16 askTicks, uint16 bidTicks) =
                known.side == Side.Ask ? (known.ticks, incoming.ticks) : (incoming.ticks, known.ticks);
            uint256 rank = _rankOf(known, i);
            if (askTicks <= bidTicks && rank >= from && rank < bestRank) (best, bestRank) = (i, rank);
        }
    }

    /// @dev Price first, then arrival: the smaller comes first.
    function _rankOf(Known memory known, uint256 number) private pure returns (uint256) {
        uint256 rank = known.side == Side.Ask ? known.ticks : type(uint16).max - known.ticks;
        return rank << 32 | number;
    }

    /// @dev A new order must be no dust, and a bid no more than its money makes likely.
    function _mayEnter(Known memory known) private view returns (bool) {
        Settings memory settings = _consortium.settings();
        if (!_mayStand(known) || known.energyWh < settings.leastWh) return false;
        uint256 mostMoney = uint256(_market.trader(known.trader).freeMoney) * settings.bidMultiple;
        return known.side == Side.Ask || uint256(known.energyWh) * known.ticks <= mostMoney;
    }

    function _mayStand(Known memory known) private view returns (bool) {
        Settings memory settings = _consortium.settings();
        return _mayTrade(known.trader) && known.ticks >= settings.floorTicks && known.ticks <= settings.capTicks
            && block.timestamp + settings.gateLeadSeconds < uint256(known.period) * 900;
    }

    // What happened

    function _confirm(uint64 dealId, bool sells) private {
        Deal memory agreed = _market.deal(dealId);
        uint32 party = sells ? agreed.seller : agreed.buyer;
        bool confirmed = sells ? agreed.sellerConfirmed : agreed.buyerConfirmed;
        bool inTime = block.timestamp <= agreed.confirmBefore;
        if (!_acts(party)) vm.expectRevert();
        vm.prank(_masterOf(party));
        _market.confirm(_among(dealId), sells ? Side.Ask : Side.Bid);
        if (agreed.state != DealState.Intent || confirmed || !inTime || !_isActive(party)) _stays(dealId, agreed);
        if (_market.deal(dealId).state != agreed.state) ++times["confirmed"];
    }

    function _place(Known memory known) private {
        if (_orders.length == MAX_ORDERS) return;
        Request request =
            toRequest(known.trader, known.side, known.energyTypes, known.period, known.ticks, known.energyWh);
        bool legal = _mayEnter(known);
        Expected memory expected = _search(known, known.energyWh, 0);
        uint64 dealsBefore = _market.dealCount();
        if (!legal) vm.expectRevert();
        vm.prank(_masterOf(known.trader));
        known.id = _market.placeOrder(request, "record");
        if (!legal) return;
        _enter(known, dealsBefore, expected);
    }

    function _enter(Known memory known, uint64 dealsBefore, Expected memory expected) private {
        (known.resumeAt, known.withdrawnWh, known.dealCountAtRemoval) = (expected.resumeAt, 0, 0);
        (known.apart, known.apartUntil) = (0, 0);
        assertEq(_numberOf[known.id], 0, "an id is used once");
        _orders.push(known);
        _numberOf[known.id] = _orders.length;
        _compare(known, dealsBefore, expected);
    }

    function _compare(Known memory known, uint64 dealsBefore, Expected memory expected) private {
        assertEq(_market.dealCount() - dealsBefore, expected.count, "number of deals");
        for (uint256 i; i < expected.count; ++i) {
            Deal memory agreed = _market.deal(dealsBefore + 1 + uint64(i));
            OrderId candidate = _orders[expected.candidates[i]].id;
            bool sells = known.side == Side.Ask;
            assertEq(_askOf(agreed), sells ? known.id : candidate, "the ask in price-time order");
            assertEq(_bidOf(agreed), sells ? candidate : known.id, "the bid in price-time order");
            assertEq(agreed.energyWh, expected.energiesWh[i], "energy of the deal");
        }
        for (uint256 i; i < expected.lostCount; ++i) {
            Known storage lost = _orders[expected.lost[i]];
            assertEq(_market.order(lost.id).energyTypes, 0, "what has nothing behind it leaves the market");
            _remove(lost, expected.lostWh[i], _market.dealCount());
            lost.resumeAt = 0;
            ++times["empty orders"];
        }
        times["deals"] += expected.count;
        if (expected.resumeAt != 0) ++times["searches stopped"];
    }

    function _remove(Known storage known, uint40 openWh, uint64 dealCount) private {
        (known.removed, known.withdrawnWh, known.dealCountAtRemoval) = (true, openWh, dealCount);
    }

    /// @dev How a deal is going to end, and what of its orders waits before that.
    function _ending(uint64 dealId, Deal memory agreed, DealState state, bool sellerLets, bool buyerLets)
        private
        view
        returns (Ending memory ending)
    {
        ending = Ending(dealId, state, sellerLets, buyerLets, 0, 0);
        ending.askOpenWh = _market.order(_askOf(agreed)).openWh;
        ending.bidOpenWh = _market.order(_bidOf(agreed)).openWh;
    }

    function _released(Deal memory agreed, Ending memory ending) private {
        endedAs[ending.dealId] = ending.state;
        ++times[ending.state == DealState.Expired ? bytes32("expired") : bytes32("abandoned")];
        (Known storage asked, Known storage wanted) =
            (_orders[_numberOf[_askOf(agreed)] - 1], _orders[_numberOf[_bidOf(agreed)] - 1]);
        _returned(asked, agreed.energyWh, ending.sellerLets, ending.askOpenWh, ending.buyerLets ? agreed.buyer : 0);
        _returned(wanted, agreed.energyWh, ending.buyerLets, ending.bidOpenWh, ending.sellerLets ? agreed.seller : 0);
    }

    function _returned(Known storage known, uint40 energyWh, bool lets, uint40 openWh, uint32 letDownBy) private {
        uint32 apartSeconds = _consortium.settings().apartSeconds;
        if (known.removed) {
            known.withdrawnWh += energyWh;
        } else if (lets) {
            _remove(known, openWh + energyWh, _market.dealCount());
            known.resumeAt = 0;
            ++times["turns lost"];
        } else if (letDownBy != 0 && apartSeconds != 0) {
            if (known.apartUntil <= block.timestamp) known.apart = 0;
            known.apart |= 1 << (letDownBy - 1) % MASTERS + 1;
            known.apartUntil = block.timestamp + apartSeconds;
        }
    }

    function _isApart(Known memory one, Known memory other) private view returns (bool) {
        return one.apartUntil > block.timestamp && one.apart >> (other.trader - 1) % MASTERS + 1 & 1 != 0;
    }

    function _askOf(Deal memory agreed) private pure returns (OrderId) {
        return toOrderId(agreed.period, Side.Ask, agreed.askTicks, agreed.askTurn);
    }

    function _bidOf(Deal memory agreed) private pure returns (OrderId) {
        return toOrderId(agreed.period, Side.Bid, agreed.bidTicks, agreed.bidTurn);
    }

    function _openWh(Known memory known) private view returns (uint40) {
        return _market.order(known.id).openWh;
    }

    // Members

    function _masterOf(uint32 trader) private pure returns (address) {
        return address(FIRST_MASTER + (trader + MASTERS - 1) % MASTERS);
    }

    function _isActive(uint32 trader) private view returns (bool) {
        return trader != 0 && _consortium.master(uint16((trader - 1) % MASTERS + 1)).active;
    }

    /// @dev Whether who calls for a trader is an active master; for none somebody calls, too.
    function _acts(uint32 trader) private view returns (bool) {
        return _consortium.master(uint16((trader + MASTERS - 1) % MASTERS + 1)).active;
    }

    function _mayTrade(uint32 trader) private view returns (bool) {
        return trader != 0 && _consortium.mayTrade(uint16((trader - 1) % MASTERS + 1));
    }

    function _carry(bytes memory action) private {
        bool carried;
        for (uint16 masterId = 1; !carried; ++masterId) {
            Master memory member = _consortium.master(masterId);
            if (!member.active) continue;
            vm.prank(member.account);
            carried = _consortium.vote(action);
        }
    }

    // Something random

    function _someOrder(Side side, uint256 seed) private view returns (Known memory known) {
        known.side = side;
        known.trader = _someTrader(seed);
        known.energyTypes = uint8(side == Side.Ask ? 1 << (seed >> 8) % 2 : 1 + (seed >> 8) % 3);
        known.period = _somePeriod(seed >> 16);
        known.ticks = _someTicks(seed >> 24);
        known.energyWh = _someEnergy(seed >> 40);
    }

    function _someTrader(uint256 seed) private pure returns (uint32) {
        return uint32(1 + seed % TRADERS);
    }

    /// @dev Three of four times the period whose gate may close during the run.
    function _somePeriod(uint256 seed) private view returns (uint24) {
        return seed & 3 == 0 ? _laterPeriod : _period;
    }

    function _someTicks(uint256 seed) private pure returns (uint16) {
        return uint16(3_700 + seed % 13);
    }

    function _someEnergy(uint256 seed) private pure returns (uint40) {
        return uint40(seed % 100 < 3 ? 0 : 50 * (1 + seed % 8));
    }

    /// @dev Seven times of eight a deal in that state if there is one, else any, or one that never was.
    function _someDeal(uint256 seed, DealState state) private view returns (uint64 dealId) {
        uint64 count = _market.dealCount();
        dealId = uint64(1 + seed % (count + 1));
        if (seed >> 8 & 7 == 0) return dealId;
        for (uint64 i; i < count && _market.deal(dealId).state != state; ++i) {
            dealId = dealId % count + 1;
        }
    }

    /// @dev A batch in which others cannot be acted on: they must not keep this one from it.
    function _among(uint64 dealId) private pure returns (uint64[] memory dealIds) {
        dealIds = new uint64[](3);
        (dealIds[0], dealIds[1], dealIds[2]) = (0, dealId, type(uint64).max);
    }

    function _stays(uint64 dealId, Deal memory before) private view {
        assertTrue(keccak256(abi.encode(_market.deal(dealId))) == keccak256(abi.encode(before)), "it stays as it is");
    }
}
